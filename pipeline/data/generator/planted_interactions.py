"""The demo's click model: low-rank interactions of four pairs of fields, and nothing else."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.data.generator.click_model import ClickModel, PlantedPair
from pipeline.data.generator.generated_fields import CATEGORICAL_FIELDS, FIELDS

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

PLANTED_FIELDS = tuple(
    field
    for field in CATEGORICAL_FIELDS
    if field.name in chain.from_iterable(chain.from_iterable(PATTERNS))
)

# By pattern, for each of its fields' names: (1 + cardinality, RANK), missing first.
Latent = Sequence[Mapping[str, NDArray[np.float64]]]


def demo_model(seed: int) -> ClickModel:
    """The click model with latent vectors drawn anew."""
    patterns = tuple(
        tuple(PlantedPair((left, right), vectors[left], vectors[right]) for left, right in pairs)
        for pairs, vectors in zip(PATTERNS, plant(seed), strict=True)
    )
    return ClickModel(FIELDS, patterns, STRENGTH)


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
