"""Copies of the sharded tables in several groups of ranks, which are averaged after every step.

A group's step is by the mean gradient over its own rows: the copies differ after it, and their
mean, moments included, is the tables again. For SGD that is the step by the mean gradient over the
global batch, as one group would make it. A second moment becomes the mean over groups of squares,
where one group has the square of the mean, which is no larger.

TorchRec's ``DMPCollection`` does the same, for CUDA and moments named ``sum`` (Adagrad's) alone.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torch.distributed.device_mesh import DeviceMesh
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.types import ShardingEnv, ShardingEnv2D
from torchrec.optim.keyed import KeyedOptimizer, OptimizerWrapper

from pipeline.distributed.sharding_group import ShardingGroup


def sharding_environment(
    group: ShardingGroup, device: torch.device, patience: timedelta
) -> ShardingEnv:
    """The process groups among which TorchRec shards. Collective.

    Args:
        group: how ranks are grouped.
        device: of this rank.
        patience: how long a collective within a group, or between groups, waits.
    """
    everyone = dist.group.WORLD
    assert everyone is not None
    if group.copies == 1:
        return ShardingEnv.from_process_group(everyone)
    within = [[group.rank(place, of) for place in range(group.size)] for of in range(group.copies)]
    between = [list(ranks) for ranks in zip(*within, strict=True)]
    sharding, _ = dist.new_subgroups_by_enumeration(within, timeout=patience)
    replicas, _ = dist.new_subgroups_by_enumeration(between, timeout=patience)
    mesh = DeviceMesh.from_group(
        [replicas, sharding], device.type, within, mesh_dim_names=("replicate", "shard")
    )
    environment = ShardingEnv2D(
        sharding, replicas, everyone, mesh, node_group_size=group.node_ranks
    )
    # ShardedTensors in the state, as without groups, which say of every part where it lies.
    environment.output_dtensor = False
    return environment


class AveragedCopies(OptimizerWrapper):
    """An optimizer, after whose step the copies of the sharded tables are averaged. Collective."""

    def __init__(
        self,
        optimizer: KeyedOptimizer,
        module: DistributedModelParallel,
        environment: ShardingEnv2D,
    ) -> None:
        super().__init__(optimizer)
        self._copies = environment.num_sharding_groups()
        self._between = environment.replica_pg
        moments = module.fused_optimizer.state_dict()["state"].values()
        self._parts = [
            *_own_parts(module.state_dict().values()),
            *(part for of_table in moments for part in _own_parts(of_table.values())),
        ]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """As the wrapped optimizer's; then every weight and moment is the mean over groups."""
        super().step(closure)
        pending = [
            dist.all_reduce(part, group=self._between, async_op=True) for part in self._parts
        ]
        for part, reduction in zip(self._parts, pending, strict=True):
            reduction.wait()
            part.div_(self._copies)


def _own_parts(state: Iterable[Any]) -> Iterator[torch.Tensor]:
    """This rank's parts of what is sharded, the live values."""
    for value in state:
        if isinstance(value, ShardedTensor):
            yield from (shard.tensor.detach() for shard in value.local_shards())
