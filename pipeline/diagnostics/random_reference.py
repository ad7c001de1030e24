"""The information abundance that a random matrix of the same shape has: what to compare with.

A field of few rows cannot fill its dimensions, and even a random matrix does not have equal
singular values. So the paper's Appendix I divides by E[IA(R)], R Gaussian of the same shape.
"""

import functools

import numpy as np
import torch

from pipeline.diagnostics.spectrum import information_abundance

# IA concentrates: one sample of (100, 10) deviates by 4 % of the mean, of (10,000, 40) by 0.2 %,
# so the mean of these is good to 1 % and better. Larger ones need fewer, and each takes K^3.
SAMPLES = 16
LARGE = 64
_SEED = 0


@functools.cache
def random_abundance(rows: int, columns: int) -> float:
    """E[IA(R)] of R (rows, columns) with independent N(0, 1) entries (paper, Appendix I).

    The singular values of R are drawn without R, so rows cost nothing: R^T R is a Wishart matrix,
    A A^T with A lower triangular, normal below its diagonal and chi-distributed on it, A_ii with
    rows - i degrees of freedom (Bartlett, Proc. R. Soc. Edinburgh 53, 1933).

    Args:
        rows: 1 or more.
        columns: 1 or more.

    Returns:
        The mean of ``SAMPLES`` samples, of fewer where both sides are above ``LARGE``; the same at
        every call.

    >>> random_abundance(50, 1)
    1.0
    """
    longer, shorter = max(rows, columns), min(rows, columns)
    generator = np.random.default_rng((_SEED, rows, columns))
    samples = max(1, min(SAMPLES, SAMPLES * LARGE // shorter))
    factors = np.tril(generator.standard_normal((samples, shorter, shorter)), k=-1)
    freedom = longer - np.arange(shorter)
    diagonal = np.arange(shorter)
    factors[:, diagonal, diagonal] = np.sqrt(generator.chisquare(freedom, (samples, shorter)))
    values = torch.linalg.svdvals(torch.from_numpy(factors))
    return float(np.mean([information_abundance(sample) for sample in values]))
