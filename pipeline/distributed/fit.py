"""Whether a model fits on some ranks, and what would make it fit; every answer is a plan tried."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torchrec.distributed.types import ShardingPlan

from pipeline.console import InputError
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
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.tables import Table
from pipeline.spec import Spec
from pipeline.spec_sharding import ShardingRule

# Numbers of ranks that are tried.
_TRIALS = 6


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
    room = _room(spec, cluster)
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


@dataclass(frozen=True)
class Remedy:
    """A change under which the model fits.

    Attributes:
        change: what to change, as it is written on the command line.
        most: the bytes that the fullest rank then takes.
    """

    change: str
    most: int


def remedies(spec: Spec, manifest: Manifest, outcome: Fit) -> list[Remedy]:
    """The changes that make a model fit, each tried: one alone, or else two together."""
    cluster = outcome.cluster
    found = [*_tried(_single_changes(spec, cluster), manifest)]
    found += islice(_tried(_larger_groups(spec, outcome.group, cluster), manifest), 1)
    if outcome.plan is not None:
        found += islice(_tried(_smaller_batches(spec, cluster), manifest), 1)
    found += _more_ranks(spec, manifest, outcome, "")
    if found:
        return found
    name, by_rows = _by_type(spec, "row_wise")
    return [
        *_tried(_double_changes(spec, cluster), manifest),
        *_more_ranks(by_rows, manifest, outcome, f" {name}"),
    ]


_Change = tuple[str, Spec, Cluster]


def _tried(changes: Iterable[_Change], manifest: Manifest) -> Iterator[Remedy]:
    for name, spec, cluster in changes:
        try:
            outcome = fit(spec, manifest, cluster)
        except InputError:
            continue
        if outcome.memory is not None and not outcome.problem:
            yield Remedy(name, max(outcome.memory.device) + outcome.dense.total)


def _single_changes(spec: Spec, cluster: Cluster) -> Iterator[_Change]:
    """Another sharding, less state, the host's memory."""
    for kind in ("auto", "row_wise"):
        if spec.sharding.type != kind or spec.sharding.rules:
            name, changed = _by_type(spec, kind)
            yield name, changed, cluster
    for name, smaller in _smaller_state(spec):
        if spec.sharding.type == "data_parallel":  # Which has no optimizer of less state.
            yield f"{name} sharding.type=auto", _with_sharding(smaller, type="auto"), cluster
        else:
            yield name, smaller, cluster
    if cluster.hardware.device == "cuda":
        name, changed = _cached(spec)
        yield name, changed, cluster


def _larger_groups(spec: Spec, group: ShardingGroup, cluster: Cluster) -> Iterator[_Change]:
    """Fewer copies of the tables, down to one."""
    for copies in range(group.copies - 1, 0, -1):
        if cluster.world_size % copies == 0:
            size = cluster.world_size // copies if copies > 1 else 0
            yield f"sharding.group_size={size}", _with_sharding(spec, group_size=size), cluster


def _double_changes(spec: Spec, cluster: Cluster) -> Iterator[_Change]:
    """Less state, and by rows or from the host's memory."""
    for name, smaller in _smaller_state(spec):
        sharding, by_rows = _by_type(smaller, "row_wise")
        yield f"{name} {sharding}", by_rows, cluster
        if cluster.hardware.device == "cuda":
            uvm, cached = _cached(smaller)
            yield f"{name} {uvm}", cached, cluster


def _with_sharding(spec: Spec, **changes: object) -> Spec:
    sharding = spec.sharding.model_copy(update=changes)
    return spec.model_copy(update={"sharding": sharding})


def _by_type(spec: Spec, kind: str) -> tuple[str, Spec]:
    """One sharding type for every table, and no rules, which would come before it."""
    rules = " sharding.rules='[]'" if spec.sharding.rules else ""
    return f"sharding.type={kind}{rules}", _with_sharding(spec, type=kind, rules=())


def _smaller_state(spec: Spec) -> Iterator[tuple[str, Spec]]:
    now = TABLE_OPTIMIZERS[spec.embedding_optimizer.name]
    less = TABLE_OPTIMIZERS["rowwise_adagrad"]
    if now.moments > less.moments:
        optimizer = spec.embedding_optimizer.model_copy(
            update={"name": "rowwise_adagrad", "weight_decay": 0.0}
        )
        changed = spec.model_copy(update={"embedding_optimizer": optimizer})
        name = "embedding_optimizer.name=rowwise_adagrad"
        if spec.embedding_optimizer.weight_decay:
            name = f"{name} embedding_optimizer.weight_decay=0"
        yield name, changed


def _cached(spec: Spec) -> tuple[str, Spec]:
    rule = ShardingRule(kernel=("fused_uvm_caching",))
    changed = _with_sharding(spec, type="auto", rules=(rule,))
    return """sharding.type=auto sharding.rules='[{kernel=["fused_uvm_caching"]}]'""", changed


def _smaller_batches(spec: Spec, cluster: Cluster) -> Iterator[_Change]:
    """The batch halved, and again, to no less than a row a rank."""
    size = spec.train.batch_size // 2
    while size >= cluster.world_size:
        train = spec.train.model_copy(update={"batch_size": size})
        yield f"train.batch_size={size}", spec.model_copy(update={"train": train}), cluster
        size //= 2


def _more_ranks(spec: Spec, manifest: Manifest, outcome: Fit, change: str) -> Iterator[Remedy]:
    """The fewest whole nodes that hold the model, to within a quarter; ``change`` is said too.

    Every rank holds the dense part and replicated tables whole, however many there are, and every
    group a copy of the other tables; so the ranks become one group.
    """
    cluster, optimizer = outcome.cluster, spec.embedding_optimizer.name
    if outcome.group.copies > 1:
        spec, change = _with_sharding(spec, group_size=0), f"{change} sharding.group_size=0"
    if outcome.dense.parameters > cluster.rank_bytes or spec.sharding.type == "data_parallel":
        return
    total = sum(table_bytes(table, optimizer) for table in outcome.tables)
    least = max(total // _room(spec, cluster), cluster.world_size) + 1
    ranks = _whole_nodes(least, cluster)
    for _ in range(_TRIALS):
        larger = replace(cluster, world_size=ranks)
        for remedy in _tried([(f"--world-size {ranks}{change}", spec, larger)], manifest):
            yield remedy
            return
        ranks = _whole_nodes(ranks + ranks // 4 + 1, cluster)


def _whole_nodes(ranks: int, cluster: Cluster) -> int:
    return -(-ranks // cluster.node_ranks) * cluster.node_ranks


def _room(spec: Spec, cluster: Cluster) -> int:
    """Bytes that a rank has for tables."""
    return int(cluster.rank_bytes * (1 - spec.sharding.reserved_share))


def in_units(count: int) -> str:
    """Bytes in GiB, MiB or KiB."""
    unit, name = next((u for u in ((GIB, "GiB"), (2**20, "MiB")) if count >= u[0]), (2**10, "KiB"))
    return f"{count / unit:,.1f} {name}"
