"""The state of a training at a log point: norms of gradient and weights, memory of every rank."""

import resource

import torch
import torch.distributed as dist

from pipeline.distributed.runtime import Runtime
from pipeline.training.optimizers import Optimizers

_KIB_A_MIB = 1024


def norms(optimizers: Optimizers) -> dict[str, float]:
    """Of the dense part: its last gradient, before clipping, and its weights, each as one vector.

    The gradient is the mean over ranks, so all ranks have the same norms.
    """
    weights = [weight.detach() for weight in optimizers.dense.params.values()]
    gradients = [
        weight.grad for weight in optimizers.dense.params.values() if weight.grad is not None
    ]
    clipped = optimizers.combined.gradient_norm
    gradient = _norm(gradients) if clipped is None else clipped.item()
    return {"gradient_norm": gradient, "weight_norm": _norm(weights)}


def _norm(tensors: list[torch.Tensor]) -> float:
    if not tensors:
        return 0.0
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors))).item()


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
