import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.study.significance import compare, paired_p, two_sided_p


# Quantiles of Student's t as printed in tables: two-sided 5 % and 1 %.
@pytest.mark.parametrize(
    ("freedom", "at_5_percent", "at_1_percent"),
    [
        (1, 12.706, 63.657),
        (2, 4.303, 9.925),
        (3, 3.182, 5.841),
        (4, 2.776, 4.604),
        (9, 2.262, 3.250),
        (10, 2.228, 3.169),
        (29, 2.045, 2.756),
    ],
)
def test_the_quantiles_are_the_printed_ones(
    freedom: int, at_5_percent: float, at_1_percent: float
) -> None:
    assert two_sided_p(at_5_percent, freedom) == pytest.approx(0.05, abs=1e-4)
    assert two_sided_p(-at_1_percent, freedom) == pytest.approx(0.01, abs=3e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 8.0, 40.0])
def test_p_agrees_with_scipy(t: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_the_direction_of_a_comparison_does_not_change_p(differences: list[float]) -> None:
    assert paired_p(differences) == pytest.approx(paired_p([-d for d in differences]), abs=1e-12)


def test_only_seeds_that_both_have_are_compared() -> None:
    comparison = compare({0: 0.80, 1: 0.83, 7: 0.99}, {0: 0.79, 1: 0.80, 5: 0.10})
    assert comparison is not None
    assert comparison.difference == pytest.approx(0.02)
    assert comparison.seeds == 2
    # t = 0.02 / 0.01 with one degree of freedom: p = 1 - 2 / pi * arctan(2)
    assert comparison.p == pytest.approx(0.29517, abs=1e-5)


def test_one_seed_has_a_difference_and_no_p() -> None:
    comparison = compare({3: 0.8}, {3: 0.7})
    assert comparison is not None
    assert (comparison.deviation, comparison.p) == (None, None)


def test_models_without_a_seed_in_common_do_not_compare() -> None:
    assert compare({0: 0.8}, {1: 0.8}) is None


def test_equal_runs_differ_by_chance_alone() -> None:
    assert paired_p([0.0, 0.0, 0.0]) == 1.0
