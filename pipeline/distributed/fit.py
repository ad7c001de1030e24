"""Whether a model fits on some ranks, by a plan that is made for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torchrec.distributed.types import ShardingPlan

from pipeline.data.manifest import Manifest
from pipeline.distributed.hardware import GIB, Cluster
from pipeline.distributed.memory import (
    DenseMemory,
    TableMemory,
    dense_memory,
    table_bytes,
    table_memory,
)
from pipeline.distributed.plan import NoPlanError, make_plan
from pipeline.distributed.sharding_group import ShardingGroup, sharding_group
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.tables import Table
from pipeline.spec import Spec


@dataclass(frozen=True)
class Fit:
    """A model on some ranks.

    Attributes:
        cluster: the ranks.
        group: those that share one copy of the tables.
        tables: of the model.
        plan: None where the planner found none.
        memory: what the plan takes of every rank.
        dense: what every rank needs beside the tables.
        problem: why it does not fit; empty where it does.
    """

    cluster: Cluster
    group: ShardingGroup
    tables: tuple[Table, ...]
    plan: ShardingPlan | None
    memory: TableMemory | None
    dense: DenseMemory
    problem: str


def fit(spec: Spec, manifest: Manifest, cluster: Cluster) -> Fit:
    """Plans the model of a prepared dataset for ranks that need not be there.

    Raises:
        InputError: the spec asks for what the device or the optimizer cannot do.
    """
    task = _task(spec, manifest)
    tables = task.model.embedding_sets.tables
    group = sharding_group(spec.sharding, cluster)
    dense = dense_memory(
        spec,
        [field.name for field in manifest.fields],
        [field.name for field in manifest.dense],
        cluster,
    )
    try:
        plan = make_plan(task, spec, cluster)
    except NoPlanError:
        problem = why_no_plan(spec, tables, cluster)
        return Fit(cluster, group, tables, None, None, dense, problem)
    in_group = table_memory(plan, tables, spec.embedding_optimizer.name, group.size)
    memory = in_group.of_all_ranks(group)
    return Fit(cluster, group, tables, plan, memory, dense, _overflow(spec, memory, dense, cluster))


def _task(spec: Spec, manifest: Manifest) -> ClickTask:
    with torch.device("meta"):
        model = MultiEmbedding(
            manifest.fields,
            spec.model,
            device=torch.device("meta"),
            dense_fields=[field.name for field in manifest.dense],
        )
        return ClickTask(model, spec.model)


def why_no_plan(spec: Spec, tables: Sequence[Table], cluster: Cluster) -> str:
    """What the tables take and what the ranks have, as the reason that no plan was found."""
    optimizer = spec.embedding_optimizer.name
    sizes = {table.name: table_bytes(table, optimizer) for table in tables}
    largest = max(sizes, key=sizes.__getitem__)
    room = room_for_tables(spec, cluster)
    total = sum(sizes.values())
    group = sharding_group(spec.sharding, cluster)
    ranks = f"{group.size} ranks{' of a group' if group.copies > 1 else ''}"
    return (
        f"the tables take {in_units(total)} with {optimizer}'s state, the largest, {largest}, "
        f"{in_units(sizes[largest])}; {ranks} have room for "
        f"{in_units(room)} each, {in_units(room * group.size)} together"
    )


def _overflow(spec: Spec, memory: TableMemory, dense: DenseMemory, cluster: Cluster) -> str:
    """What a plan needs beyond the memory that is there; empty where nothing."""
    most, room = max(memory.device) + dense.total, cluster.rank_bytes
    if most > room:
        return (
            f"a rank needs {in_units(most)} and has {in_units(room)}: "
            f"{in_units(max(memory.device))} for tables, {in_units(dense.parameters)} for the "
            f"dense part, {in_units(dense.activations)} for a batch's activations"
        )
    if max(memory.host) > cluster.host_bytes:
        return (
            f"a rank keeps {in_units(max(memory.host))} in its node's memory and may take "
            f"{in_units(cluster.host_bytes)}"
        )
    return ""


def room_for_tables(spec: Spec, cluster: Cluster) -> int:
    """Bytes that a rank has for tables."""
    return int(cluster.rank_bytes * (1 - spec.sharding.reserved_share))


def in_units(count: int) -> str:
    """Bytes in GiB, MiB or KiB."""
    unit, name = next((u for u in ((GIB, "GiB"), (2**20, "MiB")) if count >= u[0]), (2**10, "KiB"))
    return f"{count / unit:,.1f} {name}"
