"""Sums over runs of equal values, as sorting leaves them."""

import torch
from torch import Tensor


def run_lengths(starts: Tensor) -> Tensor:
    """(runs,) the lengths of the runs that begin where ``starts`` (n,) is true.

    >>> run_lengths(torch.tensor([True, False, True])).tolist()
    [2, 1]
    """
    places = starts.nonzero().squeeze(1)
    return torch.diff(places, append=places.new_tensor([len(starts)]))


def run_starts(values: Tensor) -> Tensor:
    """(n,) whether each of ``values`` (n,) differs from the one before it.

    >>> run_starts(torch.tensor([3, 3, 5])).tolist()
    [True, False, True]
    """
    starts = torch.ones(len(values), dtype=torch.bool, device=values.device)
    starts[1:] = values[1:] != values[:-1]
    return starts


def run_sums(values: Tensor, lengths: Tensor) -> Tensor:
    """(runs,) the sums of ``values`` (n,) over runs of the given ``lengths``.

    >>> run_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2, 1])).tolist()
    [3.0, 4.0]
    """
    if not len(values):
        return values
    return torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True)
