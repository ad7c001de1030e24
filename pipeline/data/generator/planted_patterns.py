"""The planted study's click model: a sum of P patterns of interaction over latent factors.

    logit = bias + strength / sqrt(pairs) * sum over patterns p and their pairs (i, j)
            of z_i[p]^T R_pij z_j[p] / deviation

z_i are the latent factors of the row's value in field i, z_i[p] the ``rank`` of them that pattern p
relates: the first pattern takes the first, the next one the next, and after the last factor begins
again with the first. R_pij is an orthogonal matrix of the pair's own. Divided by its deviation,
every pair has an equal part in the logit.

A pattern pairs off all fields, so each field takes part once in each of them, and no two fields
meet in more than one: patterns differ in their pairs, in their relation matrices and, where there
are factors enough, in what they read of a value. Of one seed, the patterns of a smaller P are the
first of those of a larger.

The factors have a mean of 0 under the values' shares and fields are drawn independently. So given
one value of a pair, what the pair adds averages to 0, and an additive model finds next to nothing.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.data.generator.click_model import ClickModel, PairNames, PlantedPair
from pipeline.data.generator.generated_fields import CategoricalField
from pipeline.data.generator.planted_interactions import PATTERNS
from pipeline.spec_generator import GeneratorSpec, PlantedSpec

# The streams of random numbers, behind the seed. The demo's model has 1, columns have 0.
_FACTORS, _RELATIONS, _ORDER = 2, 3, 4


def planted_model(planted: PlantedSpec, seed: int) -> ClickModel:
    """The click model with factors, relations and pairs drawn anew."""
    fields = _fields(planted)
    of_field = {field.name: field for field in fields}
    factors = {field.name: _latent_factors(field, planted.factors, seed) for field in fields}
    patterns = tuple(
        tuple(_pair(names, number, of_field, factors, planted, seed) for names in pairs)
        for number, pairs in enumerate(_pattern_pairs(planted, seed))
    )
    return ClickModel(fields, patterns, planted.strength / sum(map(len, patterns)) ** 0.5)


def planted_pairs(generator: GeneratorSpec) -> PairNames:
    """The pairs of fields of each pattern that a generated log was planted with."""
    if generator.planted is None:
        return PATTERNS
    return _pattern_pairs(generator.planted, generator.seed)


def _fields(planted: PlantedSpec) -> tuple[CategoricalField, ...]:
    return tuple(
        CategoricalField(number, cardinality, planted.exponent)
        for number, cardinality in enumerate(planted.cardinalities, start=1)
    )


def _latent_factors(field: CategoricalField, factors: int, seed: int) -> NDArray[np.float64]:
    """(1 + cardinality, factors) of mean 0 and variance 1 under the values' shares."""
    random = np.random.default_rng([seed, _FACTORS, field.number])
    drawn = random.standard_normal((1 + field.cardinality, factors))
    centred = drawn - field.shares @ drawn
    return centred / np.sqrt(field.shares @ centred**2)


def _pair(
    names: tuple[str, str],
    pattern: int,
    fields: Mapping[str, CategoricalField],
    factors: Mapping[str, NDArray[np.float64]],
    planted: PlantedSpec,
    seed: int,
) -> PlantedPair:
    """A pair whose inner products have a variance of 1 under the values' shares."""
    first, second = (fields[name] for name in names)
    start = pattern * planted.rank % planted.factors
    left, right = (factors[name][:, start : start + planted.rank] for name in names)
    random = np.random.default_rng([seed, _RELATIONS, pattern, first.number, second.number])
    relation, _ = np.linalg.qr(random.standard_normal((planted.rank, planted.rank)))
    related = left @ relation
    covariances = ((related.T * first.shares) @ related, (right.T * second.shares) @ right)
    return PlantedPair(names, related / np.sqrt(np.sum(covariances[0] * covariances[1])), right)


def _pattern_pairs(planted: PlantedSpec, seed: int) -> PairNames:
    """The rounds of a tournament in which every field meets every other once."""
    count = len(planted.cardinalities)
    order = np.random.default_rng([seed, _ORDER]).permutation(count) + 1
    # With an odd number of fields one has no partner in a round.
    places = count + count % 2
    rounds = []
    for turn in range(planted.patterns):
        met = [(places - 1, turn)]
        met += [
            ((turn + k) % (places - 1), (turn - k) % (places - 1)) for k in range(1, places // 2)
        ]
        numbers = [sorted((order[a], order[b])) for a, b in met if max(a, b) < count]
        rounds.append(tuple((f"C{low}", f"C{high}") for low, high in sorted(numbers)))
    return tuple(rounds)
