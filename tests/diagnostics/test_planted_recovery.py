"""Recovery of planted patterns, from norms that are made up."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.planted_recovery import Recovery, recover

FIELDS = ("a", "b", "c", "d", "e", "f")
ONE = (("a", "b"), ("c", "d"))
TWO = (("a", "c"), ("b", "d"))
Pair = tuple[str, str]


def group(*sets: dict[Pair, float]) -> GroupPairs:
    """Norms 1, but for the ordered pairs that are given."""
    norms = np.ones((len(sets), len(FIELDS), len(FIELDS)))
    for number, of_set in enumerate(sets):
        for (first, second), norm in of_set.items():
            norms[number, FIELDS.index(first), FIELDS.index(second)] = norm
    return GroupPairs("g", FIELDS, None, norms)


def found(*groups: GroupPairs, planted: tuple[tuple[Pair, ...], ...] = (ONE, TWO)) -> Recovery:
    recovery = recover(groups, planted)
    assert recovery is not None
    return recovery


def test_patterns_of_which_each_has_a_set_are_found_and_sets_are_specialised() -> None:
    recovery = found(group(dict.fromkeys(TWO, 3.0), dict.fromkeys(ONE, 3.0)))
    assert recovery.auc == 1
    assert [pattern.auc for pattern in recovery.patterns] == [1, 1]
    assert [pattern.best_set for pattern in recovery.patterns] == [2, 1]
    assert [pattern.best_set_auc for pattern in recovery.patterns] == [1, 1]
    assert recovery.specialisation == pytest.approx(1)


def test_sets_that_weigh_all_patterns_alike_are_not_specialised() -> None:
    all_pairs = dict.fromkeys([*ONE, *TWO], 3.0)
    recovery = found(group(all_pairs, dict.fromkeys(all_pairs, 2.0)))
    assert recovery.auc == 1
    assert recovery.specialisation == pytest.approx(0, abs=1e-12)
    # 2 pairs against 2 of the other pattern that are as strong and 11 that are weaker.
    assert [pattern.best_set_auc for pattern in recovery.patterns] == [pytest.approx(12 / 13)] * 2


def test_specialisation_is_the_share_of_the_patterns_entropy_that_a_set_explains() -> None:
    # Energies above 2, those of a pair of no pattern: 9 - 1 in one direction, 2 * 8 a pattern.
    sets = group(dict.fromkeys(ONE, 3.0), dict.fromkeys([*ONE, *TWO], 3.0))
    shares = {(0, 0): 1 / 3, (1, 0): 1 / 3, (1, 1): 1 / 3}
    entropy = -sum(p * math.log(p) for p in (2 / 3, 1 / 3))
    of_set, of_pattern = {0: 1 / 3, 1: 2 / 3}, {0: 2 / 3, 1: 1 / 3}
    information = sum(p * math.log(p / (of_set[m] * of_pattern[n])) for (m, n), p in shares.items())
    assert found(sets).specialisation == pytest.approx(information / entropy)


def test_one_set_or_one_pattern_has_no_specialisation() -> None:
    assert found(group({("a", "b"): 2.0})).specialisation is None
    assert found(group({}, {}), planted=(ONE,)).specialisation is None


def test_pairs_count_in_either_direction() -> None:
    there = found(group({("a", "b"): 3.0, ("d", "c"): 3.0}))
    back = found(group({("b", "a"): 3.0, ("c", "d"): 3.0}))
    assert there == back
    assert there.patterns[0].auc == 1
    assert there.patterns[1].auc == 0.5


def test_a_pattern_that_was_overlooked_has_no_better_than_chance() -> None:
    recovery = found(group(dict.fromkeys(ONE, 3.0)))
    assert (recovery.patterns[0].auc, recovery.patterns[1].auc) == (1, 0.5)
    # Two of four planted pairs lead eleven others, two are as strong as they.
    assert recovery.auc == pytest.approx(0.75)


def test_the_sets_of_all_groups_count() -> None:
    recovery = found(group(dict.fromkeys(ONE, 3.0)), group(dict.fromkeys(TWO, 3.0)))
    assert [pattern.best_set for pattern in recovery.patterns] == [1, 2]


def test_pairs_of_fields_that_the_model_has_not_are_left_out() -> None:
    recovery = found(group({}), planted=((("a", "b"), ("c", "z")), (("y", "z"),)))
    assert [pattern.pairs for pattern in recovery.patterns] == [(("a", "b"),)]
    assert recover([group({})], ((("y", "z"),),)) is None


def test_interactions_without_weights_by_pair_have_no_recovery() -> None:
    assert recover([GroupPairs("g", FIELDS, None, None)], (ONE,)) is None


def test_where_all_pairs_are_planted_there_is_nothing_to_tell_them_from() -> None:
    everything = tuple(combinations(FIELDS, 2))
    recovery = found(group({}), planted=(everything,))
    assert (recovery.auc, recovery.patterns[0].auc) == (None, None)
    assert recovery.patterns[0].best_set_auc is None


@given(st.integers(0, 1000), st.integers(1, 4))
def test_figures_of_any_norms_are_within_their_bounds(seed: int, sets: int) -> None:
    norms = np.random.default_rng(seed).exponential(size=(sets, 6, 6))
    recovery = found(GroupPairs("g", FIELDS, None, norms))
    for pattern in recovery.patterns:
        assert pattern.auc is not None
        assert 0 <= pattern.auc <= 1
        assert 1 <= pattern.best_set <= sets
    if recovery.specialisation is not None:
        assert 0 <= recovery.specialisation <= 1
