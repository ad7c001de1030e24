"""Shards a model from outside: plan, DistributedModelParallel, starting values."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.planner import EmbeddingShardingPlanner
from torchrec.distributed.planner.types import PlannerError
from torchrec.distributed.types import ShardingPlan

from pipeline.console import InputError
from pipeline.distributed.plan import make_planner
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharder import TableSharder, make_sharder
from pipeline.model.click_task import ClickTask
from pipeline.model.initialization import TableInitializer
from pipeline.model.layers import SetBatchNorm
from pipeline.model.tables import Table
from pipeline.spec import Spec

# Where the tables' weights stand in the state of a sharded ClickTask.
TABLE_KEY = "model.embedding_sets.collection.embedding_bags.{}.weight"


@dataclass(frozen=True)
class ShardedModel:
    """A click task spread over ranks, and the plan that it follows."""

    module: DistributedModelParallel
    plan: ShardingPlan
    tables: tuple[Table, ...]


def shard_model(task: ClickTask, spec: Spec, runtime: Runtime) -> ShardedModel:
    """Plans, shards and initialises ``task``, whose tables are on the meta device.

    The plan is made on rank 0 and sent to the others. The ranks must have built ``task`` from the
    same seed; DistributedDataParallel sends rank 0's dense parameters to all.
    """
    sharder = make_sharder(spec, runtime.device)
    planner = make_planner(spec, runtime.world_size, runtime.local_world_size, runtime.device.type)
    plan = _agreed_plan(planner, task, sharder, runtime)
    tables = task.model.embedding_sets.tables
    for layer in synchronized_layers(task):
        layer.average, layer.ranks = _average_over_ranks, runtime.world_size
    module = DistributedModelParallel(task, device=runtime.device, plan=plan, sharders=[sharder])
    initializer = TableInitializer(spec.model, _total_rows(tables), spec.run.seed)
    initialize_tables(module, tables, initializer)
    return ShardedModel(module, plan, tables)


def _agreed_plan(
    planner: EmbeddingShardingPlanner, task: ClickTask, sharder: TableSharder, runtime: Runtime
) -> ShardingPlan:
    """Rank 0's plan, on every rank. If it finds none, every rank says so."""
    found: list[ShardingPlan | str] = [""]
    if runtime.is_main:
        try:
            found = [planner.plan(task, [sharder])]
        except PlannerError as error:
            found = [str(error)]
    dist.broadcast_object_list(found)
    if isinstance(found[0], str):
        raise InputError(f"the tables do not fit: {found[0]}")
    return found[0]


def synchronized_layers(module: nn.Module) -> Iterator[SetBatchNorm]:
    """The normalisation layers whose statistics are to be the global batch's."""
    for layer in module.modules():
        if isinstance(layer, SetBatchNorm) and layer.synchronized:
            yield layer


def _average_over_ranks(statistics: torch.Tensor) -> torch.Tensor:
    total = statistics.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def _total_rows(tables: tuple[Table, ...]) -> int:
    """Rows of all fields together, each field once."""
    return sum({table.field.name: table.rows for table in tables}.values())


@torch.no_grad()
def initialize_tables(
    module: nn.Module, tables: tuple[Table, ...], initializer: TableInitializer
) -> None:
    """Writes the starting values into this rank's part of every table."""
    state = module.state_dict()
    for table in tables:
        for weight, rows, columns in local_parts(state[TABLE_KEY.format(table.name)]):
            weight.copy_(initializer.rows(table, rows.start, rows.stop)[:, columns])


def local_parts(weight: torch.Tensor) -> Iterator[tuple[torch.Tensor, slice, slice]]:
    """The parts of a table that this rank holds, each with its rows and columns."""
    if not isinstance(weight, ShardedTensor):
        yield weight, slice(0, weight.shape[0]), slice(0, weight.shape[1])
        return
    for shard in weight.local_shards():
        (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
        yield shard.tensor, slice(row, row + rows), slice(column, column + columns)


@torch.no_grad()
def average_batch_statistics(module: nn.Module) -> None:
    """Gives every rank the mean of the ranks' running statistics.

    Each rank's BatchNorm has seen its own rows only. The mean is what a checkpoint keeps and
    evaluation uses, on any number of ranks.
    """
    for layer in module.modules():
        if isinstance(layer, SetBatchNorm):
            for statistic in (layer.running_mean, layer.running_var):
                dist.all_reduce(statistic)
                statistic /= dist.get_world_size()
