"""The sharding plan: which rank holds which part of which table."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.remote_device import _remote_device
from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology
from torchrec.distributed.planner.stats import NoopEmbeddingStats
from torchrec.distributed.planner.storage_reservations import FixedPercentageStorageReservation
from torchrec.distributed.planner.types import PlannerError
from torchrec.distributed.planner.utils import placement as shard_placement
from torchrec.distributed.types import (
    EmbeddingModuleShardingPlan,
    ParameterSharding,
    ShardingPlan,
)
from torchrec.optim.rowwise_adagrad import RowWiseAdagrad

from pipeline.distributed.constraints import table_constraints
from pipeline.distributed.hardware import Cluster
from pipeline.distributed.sharder import make_sharder
from pipeline.distributed.sharding_group import ShardingGroup, sharding_group
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.model.click_task import ClickTask
from pipeline.model.tables import Table
from pipeline.spec import Spec

# Where TorchRec looks for the class of a parameter's optimizer.
_MARK = "_optimizer_classes"
PLACE_HEADING = f"{'sharding':<17} {'kernel':<17} ranks"


class NoPlanError(Exception):
    """TorchRec's planner finds no place for the tables."""


def make_plan(task: ClickTask, spec: Spec, cluster: Cluster) -> ShardingPlan:
    """TorchRec's plan for one group of these ranks, which need not be there.

    The tables may be on ``meta``. Ranks in the plan are places in the group.

    Raises:
        NoPlanError: the tables do not fit.
        InputError: the spec asks for what the device or the optimizer cannot do.
    """
    collection = task.model.embedding_sets
    sharder = make_sharder(spec, torch.device(cluster.hardware.device))
    planner = EmbeddingShardingPlanner(
        topology=_topology(spec, cluster, sharding_group(spec.sharding, cluster)),
        batch_size=-(-spec.train.batch_size // cluster.world_size),
        storage_reservation=FixedPercentageStorageReservation(percentage=0.0),
        stats=NoopEmbeddingStats(),
        constraints=table_constraints(spec, collection.tables, cluster),
    )
    with _optimizer_known(collection, spec.embedding_optimizer.name):
        try:
            return planner.plan(task, [sharder])
        except PlannerError as error:
            raise NoPlanError from error


def _topology(spec: Spec, cluster: Cluster, group: ShardingGroup) -> Topology:
    """The ranks of a group as TorchRec sees them, without the memory that is kept from the tables.

    TorchRec reserves of a device's memory alone, and nothing of a node's.
    """
    hardware, left = cluster.hardware, 1 - spec.sharding.reserved_share
    per_ms = 1e-3
    return Topology(
        world_size=group.size,
        local_world_size=group.node_ranks,
        compute_device=hardware.device,
        hbm_cap=int(hardware.hbm_bytes * left),
        ddr_cap=int(cluster.host_bytes * left),
        hbm_mem_bw=hardware.hbm_bandwidth * per_ms,
        ddr_mem_bw=hardware.ddr_bandwidth * per_ms,
        hbm_to_ddr_mem_bw=hardware.host_bandwidth * per_ms,
        intra_host_bw=hardware.intra_node_bandwidth * per_ms,
        inter_host_bw=hardware.inter_node_bandwidth * per_ms,
    )


@contextmanager
def _optimizer_known(collection: nn.Module, name: str) -> Iterator[None]:
    """Tells the planner how much state the optimizer has, while it plans.

    TorchRec's estimate reads it off a mark on the parameter: 0, 1 or 2 numbers a weight, or 1 a
    row. Left there, the mark would choose the optimizer too.
    """
    moments = TABLE_OPTIMIZERS[name].moments
    marks = [torch.optim.SGD, torch.optim.Adagrad, torch.optim.Adam]
    by_row = moments == 0 and TABLE_OPTIMIZERS[name].row_moments > 0
    mark = RowWiseAdagrad if by_row else marks[moments]
    parameters = list(collection.parameters())
    for parameter in parameters:
        setattr(parameter, _MARK, [mark])
    try:
        yield
    finally:
        for parameter in parameters:
            delattr(parameter, _MARK)


def plan_of_group(
    plan: ShardingPlan, group: ShardingGroup, number: int, cluster: Cluster
) -> ShardingPlan:
    """A plan whose places are those of one group, with the job's ranks in their stead."""
    remapped = copy.deepcopy(plan)
    for placed in placements(remapped).values():
        placed.ranks = [group.rank(place, number) for place in placed.ranks or []]
        for shard in [] if placed.sharding_spec is None else placed.sharding_spec.shards:
            rank = group.rank(shard.placement.rank(), number)
            place = shard_placement(cluster.hardware.device, rank, cluster.node_ranks)
            shard.placement = _remote_device(place)
    return remapped


def placements(plan: ShardingPlan) -> Mapping[str, ParameterSharding]:
    """Where every table is, by its name."""
    placed: dict[str, ParameterSharding] = {}
    for module_plan in plan.plan.values():
        assert isinstance(module_plan, EmbeddingModuleShardingPlan)
        placed |= module_plan
    return placed


def parts(
    placement: ParameterSharding, table: Table, world_size: int
) -> Iterator[tuple[int, int, int]]:
    """The rank, rows and columns of every part; a replicated table has one on each rank."""
    if placement.sharding_spec is None:
        for rank in range(world_size):
            yield rank, table.rows, table.physical_columns
        return
    for shard in placement.sharding_spec.shards:
        rows, columns = shard.shard_sizes
        yield shard.placement.rank(), rows, columns


def describe_plan(plan: ShardingPlan, tables: Sequence[Table], group: ShardingGroup) -> str:
    """The plan as text, a line a table: rows, columns, sharding type, kernel, ranks.

    Under several groups the ranks are places in a group, and a line before says which those are.
    """
    placed = placements(plan)
    width = max(len(table.name) for table in tables)
    lines = [f"{'table':<{width}} {'rows':>12} {'columns':>8} {PLACE_HEADING}"]
    lines += [
        f"{table.name:<{width}} {table.rows:>12,} {table.physical_columns:>8} "
        f"{describe_place(placed[table.name])}"
        for table in tables
    ]
    heading = [f"{group}\n"] if group.copies > 1 else []
    return "\n".join([*heading, *lines]) + "\n"


def describe_place(placement: ParameterSharding) -> str:
    """Where a table is, in the columns of ``PLACE_HEADING``."""
    return (
        f"{placement.sharding_type:<17} {placement.compute_kernel:<17} "
        f"{describe_ranks(placement.ranks or [])}"
    )


def describe_ranks(ranks: Sequence[int]) -> str:
    """Ranks in short: ``0-7`` for a run of three or more, ``0,2`` for others."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )
