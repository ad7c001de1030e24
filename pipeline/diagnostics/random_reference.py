"""What a random matrix of the same shape has: what a field's spectrum is compared with.

A field of few rows cannot fill its dimensions, and even a random matrix does not have equal
singular values. So the paper's Appendix I divides by E[IA(R)], R Gaussian of the same shape.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from pipeline.diagnostics.spectrum import abundance_of_each, dimensions_of_each

# IA concentrates: one sample of (10, 10) deviates by 10 % of the mean, of (100, 10) by 4 %, of
# (10,000, 40) by 0.2 %. So small matrices, which cost nothing, get many samples, and the mean is
# good to 1 %; large ones need fewer, and each takes K^3.
MOST_SAMPLES = 1024
SAMPLED_NUMBERS = 2**17
_SEED = 0


@functools.cache
def random_abundance(rows: int, columns: int) -> float:
    """E[IA(R)] of R (rows, columns) with independent N(0, 1) entries (paper, Appendix I).

    Args:
        rows: 1 or more.
        columns: 1 or more.

    Returns:
        The mean over samples; the same at every call.

    >>> random_abundance(50, 1)
    1.0
    """
    return float(abundance_of_each(_random_spectra(rows, columns)).mean())


@functools.cache
def random_dimensions(rows: int, columns: int, share: float) -> float:
    """The fewest dimensions that carry ``share`` of the energy of such a matrix, on average.

    A square matrix needs 0.61 of its columns for 95 %, one of ten times as many rows 0.9.

    >>> random_dimensions(50, 1, 0.95)
    1.0
    """
    return float(dimensions_of_each(_random_spectra(rows, columns), share).double().mean())


@functools.lru_cache(maxsize=1)
def _random_spectra(rows: int, columns: int) -> Tensor:
    """(samples, min(rows, columns)) singular values of Gaussian matrices.

    They are drawn without the matrices, so rows cost nothing: R^T R is a Wishart matrix, A A^T with
    A lower triangular, normal below its diagonal and chi-distributed on it, A_ii with rows - i
    degrees of freedom (Bartlett, Proc. R. Soc. Edinburgh 53, 1933).
    """
    longer, shorter = max(rows, columns), min(rows, columns)
    generator = np.random.default_rng((_SEED, rows, columns))
    samples = max(1, min(MOST_SAMPLES, SAMPLED_NUMBERS // shorter**2))
    factors = np.tril(generator.standard_normal((samples, shorter, shorter)), k=-1)
    freedom = longer - np.arange(shorter)
    diagonal = np.arange(shorter)
    factors[:, diagonal, diagonal] = np.sqrt(generator.chisquare(freedom, (samples, shorter)))
    return torch.linalg.svdvals(torch.from_numpy(factors))
