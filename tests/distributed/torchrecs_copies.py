"""Trains a spec with TorchRec's own DMPCollection in the place of our copies, without asserts.

    PYTHONOPTIMIZE=1 torchrun --nproc_per_node 4 torchrecs_copies.py SPEC

DMPCollection asserts that the device is CUDA, which Python then passes over. Given to it are what
gloo has in the place of ReduceOp.AVG, shards on ``cpu`` where it says ``cpu:2``, and a state that
our checkpoints read. Groups, plans of groups, and what is averaged and when, are its own.
"""

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.remote_device import _remote_device
from torchrec.distributed import model_parallel
from torchrec.distributed.model_parallel import DMPCollection
from torchrec.distributed.types import ShardingEnv2D
from torchrec.optim.keyed import OptimizerWrapper

from pipeline.distributed import sharding
from pipeline.distributed.runtime import start_runtime
from pipeline.spec_file import load_spec
from pipeline.training import setup
from pipeline.training.training import train


class ReadableEnvironment(ShardingEnv2D):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.output_dtensor = False


class TorchRecs(DMPCollection):
    def _remap_sharding_plan(self, plan: Any, *arguments: Any, **named: Any) -> None:
        super()._remap_sharding_plan(plan, *arguments, **named)
        for module in plan.plan.values():
            for placed in module.values():
                for shard in placed.sharding_spec.shards:
                    shard.placement = _remote_device(f"rank:{shard.placement.rank()}/cpu")

    def average(self, tensors: list[torch.Tensor]) -> None:
        group = self._default_ctx.replica_pg
        for tensor in tensors:
            dist.all_reduce(tensor, group=group)
            tensor /= dist.get_world_size(group)


class Synced(OptimizerWrapper):
    def __init__(self, optimizer: Any, module: DMPCollection) -> None:
        super().__init__(optimizer)
        self._module = module

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self._module.sync()


def main(path: Path) -> None:
    spec = load_spec(path)

    def build(task: Any, _: Any, device: torch.device, plan: Any, **named: Any) -> DMPCollection:
        everyone = dist.group.WORLD
        size = spec.sharding.group_size
        module = TorchRecs(task, device, plan, dist.get_world_size(), size, everyone, **named)
        module.set_all_reduce_hook(module.average)
        return module

    model_parallel.ShardingEnv2D = ReadableEnvironment
    sharding.DistributedModelParallel = build
    sharding.plan_of_group = lambda plan, *_: plan
    setup._averaged = lambda optimizer, model: Synced(optimizer, model.module)
    with start_runtime("cpu") as runtime:
        train(spec, runtime)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
