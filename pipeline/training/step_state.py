"""The state of a training at a log point: norms of gradient and weights, memory of every rank."""

import resource

import torch
import torch.distributed as dist

from pipeline.distributed.runtime import Runtime
from pipeline.training.optimizers import Optimizers
from pipeline.training.stepping import norm

_KIB_A_MIB = 1024


def norms(optimizers: Optimizers) -> dict[str, float]:
    """Of the dense part: the gradient of its last step, before clipping, and its weights.

    Each is taken as one vector. The gradient is the mean over ranks, so all ranks have the same
    norms. Before the first step, as gradients are gathered for it, there is none.
    """
    weights = [weight.detach() for weight in optimizers.dense.params.values()]
    found = {"weight_norm": norm(weights).item()}
    gradient = optimizers.combined.gradient_norm
    return found if gradient is None else {"gradient_norm": gradient.item(), **found}


def peak_memory(runtime: Runtime) -> dict[str, float]:
    """MiB that every rank has taken at the most: of the device on CUDA, else of the process.

    Collective.
    """
    if runtime.device.type == "cuda":
        own = torch.cuda.max_memory_allocated(runtime.device) / 2**20
    else:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_MIB
    mine = torch.tensor([own], device=runtime.device)
    of_all = [torch.empty_like(mine) for _ in range(runtime.world_size)]
    dist.all_gather(of_all, mine)
    return {f"rank {rank}": value.item() for rank, value in enumerate(of_all)}
