"""What chance gives, against exact counts of all that can happen."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.overview.chance import BEYOND_CHANCE, auc_z, difference_z
from pipeline.metrics.auc import auc


def test_a_difference_of_large_counts_is_that_of_the_two_share_z_test() -> None:
    pooled = (2_600 + 30_000) / (10_000 + 120_000)
    error = math.sqrt(pooled * (1 - pooled) * (1 / 10_000 + 1 / 120_000))
    expected = (0.26 - 0.25) / error
    assert difference_z(2_600, 10_000, 30_000, 120_000) == pytest.approx(expected, rel=0.01)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_difference_changes_its_sign_with_the_sides(a: int, b: int, c: int, d: int) -> None:
    one, other = (a, a + b), (c, c + d)
    assert difference_z(*one, *other) == pytest.approx(-difference_z(*other, *one), abs=1e-6)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 9))
def test_equal_shares_do_not_differ(events: int, others: int, times: int) -> None:
    rows = events + others
    assert difference_z(events, rows, times * events, times * rows) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("rows", "other_rows"), [(100, 800), (1_000, 8_000), (50, 50)])
@pytest.mark.parametrize("events", [1, 2, 4, 8, 20, 40])
def test_what_is_beyond_chance_is_rare_by_exact_count(
    rows: int, other_rows: int, events: int
) -> None:
    """The hypergeometric probability of all tables that count as beyond chance."""
    total = math.comb(rows + other_rows, events)
    beyond = sum(
        math.comb(rows, here) * math.comb(other_rows, events - here)
        for here in range(events + 1)
        if here <= rows
        and abs(difference_z(here, rows, events - here, other_rows)) >= BEYOND_CHANCE
    )
    # Four deviations of a normal distribution have 0.00006; the tables are not normal.
    assert beyond / total < 0.0004


@pytest.mark.parametrize(("positives", "negatives"), [(2, 3), (4, 4), (1, 7)])
def test_the_deviation_of_an_auc_is_that_over_all_orders(positives: int, negatives: int) -> None:
    rows = positives + negatives
    found = []
    for chosen in itertools.combinations(range(rows), positives):
        labels = np.isin(np.arange(rows), chosen)
        found.append(auc(labels, np.arange(rows)))
    assert np.mean(found) == pytest.approx(0.5)
    assert auc_z(0.5 + np.std(found), positives, negatives) == pytest.approx(1)
