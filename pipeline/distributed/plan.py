"""The sharding plan: which rank holds which part of which table, and how many bytes that takes."""

from collections.abc import Iterator

from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology
from torchrec.distributed.planner.stats import NoopEmbeddingStats
from torchrec.distributed.planner.storage_reservations import FixedPercentageStorageReservation
from torchrec.distributed.types import (
    EmbeddingModuleShardingPlan,
    ParameterSharding,
    ShardingPlan,
)

from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.model.tables import Table
from pipeline.spec import Spec

# Of a device's memory, kept from the planner for the dense part, its activations and the batches.
RESERVED_SHARE = 0.15
_FLOAT_BYTES = 4


def make_planner(
    spec: Spec, world_size: int, local_world_size: int, device_type: str
) -> EmbeddingShardingPlanner:
    """TorchRec's planner for this many ranks, which need not be there."""
    return EmbeddingShardingPlanner(
        topology=Topology(
            world_size=world_size,
            local_world_size=local_world_size,
            compute_device=device_type,
        ),
        batch_size=-(-spec.train.batch_size // world_size),
        storage_reservation=FixedPercentageStorageReservation(percentage=RESERVED_SHARE),
        stats=NoopEmbeddingStats(),
    )


def describe_plan(plan: ShardingPlan, tables: tuple[Table, ...]) -> str:
    """The plan as text, a line a table: rows, columns, sharding type, kernel, ranks."""
    placed = _placements(plan)
    width = max(len(table.name) for table in tables)
    lines = [f"{'table':<{width}} {'rows':>12} {'columns':>8} {'sharding':<16} {'kernel':<8} ranks"]
    for table in tables:
        placement = placed[table.name]
        ranks = ",".join(str(rank) for rank in placement.ranks or [])
        lines.append(
            f"{table.name:<{width}} {table.rows:>12,} {table.physical_columns:>8} "
            f"{placement.sharding_type:<16} {placement.compute_kernel:<8} {ranks}"
        )
    return "\n".join(lines) + "\n"


def bytes_by_rank(
    plan: ShardingPlan, tables: tuple[Table, ...], optimizer: str, world_size: int
) -> list[int]:
    """Bytes of weights and optimizer state that each rank holds."""
    placed, held = _placements(plan), [0] * world_size
    for table in tables:
        for rank, rows, columns in _shards(placed[table.name], table, world_size):
            state = TABLE_OPTIMIZERS[optimizer].state_floats(columns)
            held[rank] += rows * (columns + state) * _FLOAT_BYTES
    return held


def _placements(plan: ShardingPlan) -> dict[str, ParameterSharding]:
    placed: dict[str, ParameterSharding] = {}
    for module_plan in plan.plan.values():
        assert isinstance(module_plan, EmbeddingModuleShardingPlan)
        placed |= module_plan
    return placed


def _shards(
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
