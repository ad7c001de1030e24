"""The singular values of an embedding matrix, and what they say about its use of dimensions.

All of it comes from the Gram matrix ``E^T E`` (K, K) of an embedding matrix E (rows, K). It is a
sum over rows, so one pass over blocks of rows is enough, and the shards of a table add up
(``gram_sum.py``).

How far down the spectrum to trust it: a Gram matrix squares the condition number. Accumulated as
here, its eigenvalues are wrong by about 1 eps of the largest (2e-16), at worst by 60 (14 to 27 were
measured, on millions of rows that are all alike or random), so a singular value s is wrong by
``1e-16 max^2 / s``, at worst ``7e-15 max^2 / s``: 1e-12 of the largest where ``s = 1e-4 max``.
Below ``NOISE_FLOOR`` of the largest it cannot be told from zero and is set to zero. Tables are
stored in float32, whose own rounding is 6e-8 of the largest value, so nothing that was trained is
lost.
"""

import math

import torch
from torch import Tensor

# Singular values below this share of the largest are zero: the root of 180 eps.
NOISE_FLOOR = 2e-7


def singular_values(gram_matrix: Tensor) -> Tensor:
    """The singular values of the matrix that a Gram matrix was made from.

    Args:
        gram_matrix: (..., K, K) float64, one or several.

    Returns:
        (..., K) float64, descending. A matrix of fewer rows than columns has zeros at the end, and
        what lies below ``NOISE_FLOOR`` times the largest is zero.

    >>> singular_values(torch.tensor([[9.0, 0.0], [0.0, 16.0]], dtype=torch.float64))
    tensor([4., 3.], dtype=torch.float64)
    """
    roots = torch.linalg.eigvalsh(gram_matrix).flip(-1).clamp(min=0).sqrt()
    return torch.where(roots > NOISE_FLOOR * roots[..., :1], roots, 0.0)


def information_abundance(values: Tensor) -> float:
    """The sum of the singular values over the largest (paper, Definition 3.1).

    Args:
        values: (K,) singular values, descending.

    Returns:
        From 1 (one direction only) to min(rows, K) (all directions alike); 0 for the zero matrix.

    >>> information_abundance(torch.tensor([4.0, 2.0, 2.0]))
    2.0
    """
    return float(abundance_of_each(values))


def abundance_of_each(values: Tensor) -> Tensor:
    """``information_abundance`` of one matrix or several: (..., K) -> (...) float64."""
    total, largest = values.sum(-1).double(), values[..., 0].double()
    return torch.where(largest > 0, total / torch.where(largest > 0, largest, 1), 0)


def effective_rank(values: Tensor) -> float:
    """``exp(-sum p ln p)`` with ``p = s / sum s`` (Roy and Vetterli, EUSIPCO 2007).

    Args:
        values: (K,) singular values.

    Returns:
        From 1 to min(rows, K); 0 for the zero matrix.

    >>> effective_rank(torch.tensor([2.0, 2.0, 0.0]))
    2.0
    """
    total = float(values.sum())
    if total == 0:
        return 0.0
    shares = values.to(torch.float64) / total
    return math.exp(-float(torch.xlogy(shares, shares).sum()))


def participation_ratio(values: Tensor) -> float:
    """``(sum s^2)^2 / sum s^4``: how many directions share the energy.

    Args:
        values: (K,) singular values.

    Returns:
        From 1 to min(rows, K); 0 for the zero matrix.

    >>> participation_ratio(torch.tensor([3.0, 3.0, 0.0]))
    2.0
    """
    shares = _energy_shares(values)
    squared = float(shares.square().sum())
    return 1.0 / squared if squared > 0 else 0.0


def dimensions_for(values: Tensor, share: float) -> int:
    """The fewest dimensions that carry ``share`` of the energy.

    Args:
        values: (K,) singular values, descending.
        share: from 0 to 1.

    Returns:
        From 1 to K; 0 for the zero matrix.

    >>> dimensions_for(torch.tensor([4.0, 3.0, 0.1]), share=0.95)
    2
    """
    return int(dimensions_of_each(values, share))


def dimensions_of_each(values: Tensor, share: float) -> Tensor:
    """``dimensions_for`` of one matrix or several: (..., K) -> (...)."""
    carried = _energy_shares(values).cumsum(-1)
    needed = ((carried < share).sum(-1) + 1).clamp(max=values.shape[-1])
    return torch.where(values[..., 0] == 0, 0, needed)


def _energy_shares(values: Tensor) -> Tensor:
    """(..., K) squares over their sum; zeros for the zero matrix."""
    largest = values.amax(-1, keepdim=True)
    squares = (values.to(torch.float64) / torch.where(largest == 0, 1, largest)).square()
    total = squares.sum(-1, keepdim=True)
    return squares / torch.where(total == 0, 1, total)
