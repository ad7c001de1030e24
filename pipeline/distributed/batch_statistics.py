"""Batch normalisation over ranks: statistics of the global batch, or of each rank's own rows.

``synchronized_batch`` makes the ranks' layers one layer over the global batch: mean, variance and
both sums of the backward pass are averaged by all_reduce, which gloo runs too (torch's
SyncBatchNorm needs CUDA). ``batch`` exchanges nothing within a step.
"""

import torch
import torch.distributed as dist
from torch import nn

from pipeline.model.batch_norm import SetBatchNorm


def synchronize_statistics(module: nn.Module, ranks: int) -> None:
    """Gives the ``synchronized_batch`` layers the statistics of all ranks' rows.

    Four all_reduce of a number a set and feature, a layer and step. Ranks have equally many rows.
    """
    for layer in module.modules():
        if isinstance(layer, SetBatchNorm) and layer.synchronized:
            layer.average, layer.ranks = _average_over_ranks, ranks


def _average_over_ranks(statistics: torch.Tensor) -> torch.Tensor:
    total = statistics.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


@torch.no_grad()
def average_batch_statistics(module: nn.Module) -> None:
    """Gives every rank the mean of the ranks' running statistics.

    Each rank's ``batch`` layers have seen its own rows only. The mean is what a checkpoint keeps
    and evaluation uses, on any number of ranks.
    """
    for layer in module.modules():
        if isinstance(layer, SetBatchNorm):
            for statistic in (layer.running_mean, layer.running_var):
                dist.all_reduce(statistic)
                statistic /= dist.get_world_size()
