"""The click model of generated data: low-rank interactions of pairs of fields, and nothing else."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.data.generator.generated_fields import CATEGORICAL_FIELDS

# Two patterns of pairs. A field has latent vectors of its own in each, so for C5 and C6 no single
# low-rank embedding serves both: what several sets can learn apart. The fields have 11 to 306
# tokens, so that 160,000 training rows hold enough of each.
PATTERNS = (
    (("C5", "C14"), ("C6", "C25")),
    (("C5", "C6"), ("C17", "C23")),
)
RANK = 2
# The standard deviation of one pair's part of the logit. Four pairs of 0.95 give the true
# probabilities an AUC of about 0.85.
STRENGTH = 0.95
# Gives a label rate of about 0.255; Criteo's is 0.256.
BIAS = -1.62

PLANTED_FIELDS = tuple(
    field
    for field in CATEGORICAL_FIELDS
    if field.name in chain.from_iterable(chain.from_iterable(PATTERNS))
)

# By pattern, for each of its fields' names: (1 + cardinality, RANK), missing first.
Latent = Sequence[Mapping[str, NDArray[np.float64]]]


def plant(seed: int) -> Latent:
    """Draws the latent vectors of every planted field in each pattern that it takes part in."""
    return [
        {
            field.name: _latent_vectors(
                field.shares, np.random.default_rng([seed, 1, number, field.number])
            )
            for field in PLANTED_FIELDS
            if field.name in chain.from_iterable(pairs)
        }
        for number, pairs in enumerate(PATTERNS)
    ]


def click_probabilities(
    latent: Latent, tokens: Mapping[str, NDArray[np.int32]]
) -> NDArray[np.float64]:
    """The true probabilities of a click.

        p = sigmoid(BIAS + STRENGTH * sum over patterns and their pairs (i, j) of <u_i, u_j>)

    u_i is the pattern's latent vector of the row's token in field i.

    Args:
        latent: as drawn by ``plant``.
        tokens: (rows,) of every planted field.

    Returns:
        (rows,) float64.
    """
    pair_sums = [
        np.einsum("rk,rk->r", vectors[left][tokens[left]], vectors[right][tokens[right]])
        for pairs, vectors in zip(PATTERNS, latent, strict=True)
        for left, right in pairs
    ]
    return 1 / (1 + np.exp(-BIAS - STRENGTH * np.sum(pair_sums, axis=0)))


def _latent_vectors(
    shares: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Vectors of mean 0 and covariance I / sqrt(RANK) under the tokens' shares.

    The mean of 0 hides the structure from an additive model: fields are drawn independently, so
    given one token of a pair the inner product with the other's averages to 0. The covariance
    gives every inner product of two fields a variance of 1.
    """
    drawn = random.standard_normal((len(shares), RANK))
    centred = drawn - shares @ drawn
    covariance = (centred.T * shares) @ centred
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), centred.T).T
    return whitened / RANK**0.25
