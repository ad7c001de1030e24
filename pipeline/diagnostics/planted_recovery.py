"""Whether a model's sets have found the patterns of interaction that its data were planted with.

What a set makes of two fields is the norm of the weights by which they meet: its interaction
pattern (Section 5.3 of the paper). Planted pairs ought to have larger norms than pairs that mean
nothing; where sets divide the work, each has them in the pairs of some patterns and not of others.

The root mean square of e_j * W_(i->j) e_i, which has the embeddings' size in it, tells pairs apart
less well: 0.94 against 1.00 of the pairs of four patterns, and 0.97 against 1.00 in a single
embedding, for fields differ in size more than pairs do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnostics.pairs import GroupPairs
from pipeline.metrics.auc import auc

PairNames = Sequence[Sequence[tuple[str, str]]]
_Energies = NDArray[np.float64]


@dataclass(frozen=True)
class PatternRecovery:
    """One planted pattern.

    Attributes:
        pairs: of fields.
        auc: the chance that a pair of it has a larger norm, over all sets together, than a pair of
            no pattern: 1 if found, 0.5 by chance. None where every pair is planted.
        best_set: the set, from 1, in which its pairs stand out most from all others, those of other
            patterns among them.
        best_set_auc: how much they do, as a chance. The best of several sets is above 0.5 by luck.
    """

    pairs: tuple[tuple[str, str], ...]
    auc: float | None
    best_set: int
    best_set_auc: float | None


@dataclass(frozen=True)
class Recovery:
    """All planted patterns.

    Attributes:
        auc: as for one pattern, of the pairs of all of them.
        patterns: in their order.
        specialisation: what a set says of the pattern that it works on, as a share of what there is
            to say: the mutual information of set and pattern over the pattern's entropy, of the
            energies above those of pairs that mean nothing. 0 if all sets weigh all patterns alike,
            1 if each set works on one. None for one set or pattern.
    """

    auc: float | None
    patterns: tuple[PatternRecovery, ...]
    specialisation: float | None


def recover(groups: Sequence[GroupPairs], planted: PairNames) -> Recovery | None:
    """Compares the interaction patterns of all sets with the planted ones.

    Args:
        groups: the model's.
        planted: the pairs of each pattern; those of fields that the model has not are left out.

    Returns:
        None where no interaction has weights by pair, or no planted pair is left.
    """
    norms = [group.patterns for group in groups if group.patterns is not None]
    if not norms:
        return None
    place = {name: index for index, name in enumerate(groups[0].fields)}
    kept = [[pair for pair in pairs if set(pair) <= place.keys()] for pairs in planted]
    patterns = [pairs for pairs in kept if pairs]
    if not patterns:
        return None
    squares = np.concatenate(norms) ** 2
    upper = np.triu_indices(len(place), 1)
    energies = (squares + squares.transpose(0, 2, 1))[:, *upper]
    members = np.zeros((len(patterns), *squares.shape[1:]), dtype=bool)
    for number, pairs in enumerate(patterns):
        for first, second in pairs:
            members[number, *sorted((place[first], place[second]))] = True
    return _compare(energies, members[:, *upper], patterns)


def _compare(energies: _Energies, members: NDArray[np.bool_], patterns: PairNames) -> Recovery:
    """From energies (M, pairs), and which of the pairs are those of each pattern (P, pairs)."""
    together, planted = energies.sum(axis=0), np.logical_or.reduce(members)
    found = []
    for pairs, member in zip(patterns, members, strict=True):
        compared = member | ~planted
        by_set = [_chance(member, of_set) for of_set in energies]
        best = max(range(len(by_set)), key=lambda place: by_set[place] or 0.0)
        overall = _chance(member[compared], together[compared])
        found.append(PatternRecovery(tuple(pairs), overall, best + 1, by_set[best]))
    return Recovery(_chance(planted, together), tuple(found), _specialisation(energies, members))


def _chance(positive: NDArray[np.bool_], energies: _Energies) -> float | None:
    """The chance that a positive pair has more energy than another; None without any other."""
    if positive.all():
        return None
    return auc(positive.astype(np.uint8), energies)


def _specialisation(energies: _Energies, members: NDArray[np.bool_]) -> float | None:
    if min(len(energies), len(members)) < 2:
        return None
    planted = np.logical_or.reduce(members)
    idle = energies[:, ~planted].mean(axis=1) if not planted.all() else np.zeros(len(energies))
    above = np.maximum(energies - idle[:, None], 0) @ members.T
    if not above.any(axis=0).all():
        return None
    joint = above / above.sum()
    alone = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    shares = joint.sum(axis=0)
    information = np.sum(
        joint * np.log(np.divide(joint, alone, out=np.ones_like(joint), where=joint > 0))
    )
    # Rounding leaves an information of zero a little below it.
    return float(np.clip(information / -np.sum(shares * np.log(shares)), 0, 1))
