"""Shards a model from outside: plan, DistributedModelParallel, starting values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torchrec.distributed.model_parallel import (
    DataParallelWrapper,
    DefaultDataParallelWrapper,
    DistributedModelParallel,
)
from torchrec.distributed.types import ShardingEnv, ShardingPlan

from pipeline.console import InputError
from pipeline.distributed.batch_statistics import synchronize_statistics
from pipeline.distributed.fit import why_no_plan
from pipeline.distributed.hardware import Cluster, cluster_here
from pipeline.distributed.plan import NoPlanError, make_plan, plan_of_group
from pipeline.distributed.plan_record import plan_record, read_plan
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharder import make_sharder
from pipeline.distributed.sharding_group import ShardingGroup, sharding_group
from pipeline.distributed.table_copies import sharding_environment
from pipeline.model.click_task import ClickTask
from pipeline.model.initialization import TableInitializer, pieces
from pipeline.model.tables import Table
from pipeline.spec import Spec

# Where the tables' weights stand in the state of a sharded ClickTask.
TABLE_KEY = "model.embedding_sets.collection.embedding_bags.{}.weight"


@dataclass(frozen=True)
class ShardedModel:
    """A click task spread over ranks.

    Attributes:
        module: the task, sharded.
        environment: the process groups that its tables are sharded among.
        group: how ranks are grouped.
        plan: that every group follows.
        plan_record: the plan in plain values.
        tables: all of them.
    """

    module: DistributedModelParallel
    environment: ShardingEnv
    group: ShardingGroup
    plan: ShardingPlan
    plan_record: dict[str, Any]
    tables: tuple[Table, ...]


def shard_model(
    task: ClickTask, spec: Spec, runtime: Runtime, stored_plan: Path | None
) -> ShardedModel:
    """Plans, shards and initialises ``task``, whose tables are on the meta device.

    The plan is made on rank 0 and sent to the others. The ranks must have built ``task`` from the
    same seed; DistributedDataParallel sends rank 0's dense parameters to all.

    Args:
        task: the model on one device.
        spec: see ``[sharding]``.
        runtime: this rank.
        stored_plan: the plan of an earlier part of the training, which is followed again if it was
            made for as many ranks and the same settings. The planner may choose otherwise each
            time, and a resumed training is to be bit-identical.
    """
    cluster = cluster_here(runtime, spec.sharding.hardware)
    sharder = make_sharder(spec, runtime.device)
    plan = _agreed_plan(task, spec, cluster, runtime, stored_plan)
    tables = task.model.embedding_sets.tables
    synchronize_statistics(task, runtime.world_size)
    group = sharding_group(spec.sharding, cluster)
    patience = timedelta(minutes=spec.train.timeout_minutes)
    environment = sharding_environment(group, runtime.device, patience)
    module = DistributedModelParallel(
        task,
        environment,
        runtime.device,
        plan_of_group(plan, group, runtime.rank % group.copies, cluster),
        sharders=[sharder],
        data_parallel_wrapper=_data_parallel(runtime.world_size, runtime.device.type),
    )
    initializer = TableInitializer(spec.model, _total_rows(tables), spec.run.seed)
    initialize_tables(module, tables, initializer)
    record = plan_record(plan, spec, tables, cluster)
    return ShardedModel(module, environment, group, plan, record, tables)


def _data_parallel(ranks: int, device_type: str) -> DataParallelWrapper:
    """DistributedDataParallel, which on CPU with more than two ranks keeps its first buckets.

    Otherwise it sorts them anew after a process's first step. Where in a bucket a gradient lies
    decides in which order more than two ranks' are added, so a resumed training of four ended
    3e-8 apart from one that was not stopped. What keeps it from that makes torch warn once of
    parameters that might be unused; none is. It looks for them at every step: not to be paid for on
    CUDA, where a resumed training is not promised to be the same to the bit.
    """
    if ranks <= 2 or device_type != "cpu":
        return DefaultDataParallelWrapper()
    return DefaultDataParallelWrapper(static_graph=False, find_unused_parameters=True)


def _agreed_plan(
    task: ClickTask, spec: Spec, cluster: Cluster, runtime: Runtime, stored: Path | None
) -> ShardingPlan:
    """Rank 0's plan, on every rank. If it finds none, every rank says so."""
    found: list[ShardingPlan | str] = [""]
    tables = task.model.embedding_sets.tables
    if runtime.is_main:
        try:
            found = [read_plan(stored, spec, tables, cluster) or make_plan(task, spec, cluster)]
        except NoPlanError:
            reason = why_no_plan(spec, tables, cluster)
            found = [
                f"the tables do not fit: {reason}; python -m pipeline.plan tells what would make "
                "them fit"
            ]
        except InputError as error:
            found = [str(error)]
    dist.broadcast_object_list(found)
    if isinstance(found[0], str):
        raise InputError(found[0])
    return found[0]


def _total_rows(tables: tuple[Table, ...]) -> int:
    """Rows of all fields together, each field once."""
    return sum({table.field.name: table.rows for table in tables}.values())


@torch.no_grad()
def initialize_tables(
    module: nn.Module, tables: tuple[Table, ...], initializer: TableInitializer
) -> None:
    """Writes the starting values into this rank's part of every table.

    Piece by piece: drawn whole, a part would need its own size of host memory three times over.
    """
    state = module.state_dict()
    for table in tables:
        for weight, rows, columns in local_parts(state[TABLE_KEY.format(table.name)]):
            for piece in pieces(rows):
                values = initializer.rows(table, piece.start, piece.stop)[:, columns]
                weight[piece.start - rows.start : piece.stop - rows.start].copy_(values)


def local_parts(weight: torch.Tensor) -> Iterator[tuple[torch.Tensor, slice, slice]]:
    """The parts of a table that this rank holds, each with its rows and columns."""
    if not isinstance(weight, ShardedTensor):
        yield weight, slice(0, weight.shape[0]), slice(0, weight.shape[1])
        return
    for shard in weight.local_shards():
        (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
        yield shard.tensor, slice(row, row + rows), slice(column, column + columns)
