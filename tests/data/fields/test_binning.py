import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.binning import (
    interval_tokens,
    log_square_tokens,
    log_tokens,
    numbers,
    quantile_edges,
)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("", ""),
        ("-3", "-5"),
        ("-1", "-3"),
        ("0", "-2"),
        ("1", "-1"),
        ("2", "0"),
        ("2.0", "0"),
        ("1.5", "-0.5"),
        # ln(2.5)^2 = 0.84 is raised to 1, so that it does not meet the token of 2.
        ("2.5", "1"),
        ("3", "1"),
        ("4", "1"),
        ("5", "2"),
        ("100", "21"),
        ("1000000", "190"),
    ],
)
def test_log_square_token(value: str, token: str) -> None:
    assert log_square_tokens(pa.array([value])).to_pylist() == [token]


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1))
def test_log_square_of_integers_is_the_papers_formula(values: list[int]) -> None:
    expected = [str(max(math.floor(math.log(v) ** 2), 1)) if v > 2 else str(v - 2) for v in values]
    assert log_square_tokens(pa.array([str(v) for v in values])).to_pylist() == expected


@pytest.mark.parametrize(
    "text", ["abc", "nan", "inf", "1e999", " 1", "1 ", "1_0", "0x1", "-", "+-1", "1,5", "٣"]
)
def test_what_is_no_finite_number_is_null(text: str) -> None:
    assert numbers(pa.array([text])).to_pylist() == [None]


@pytest.mark.parametrize(("text", "value"), [("+1", 1.0), (".5", 0.5), ("2.", 2.0), ("1e3", 1e3)])
def test_ways_to_write_a_number(text: str, value: float) -> None:
    assert numbers(pa.array([text])).to_pylist() == [value]


def test_quantile_bins_have_equal_mass_where_values_allow_it() -> None:
    edges = quantile_edges(np.arange(100.0), np.ones(100, np.int64), 4)
    assert edges.tolist() == [25.0, 50.0, 75.0]


@given(
    values=st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=200),
    bins=st.integers(1, 20),
)
def test_no_quantile_bin_but_that_of_a_heavy_value_is_overfull(
    values: list[float], bins: int
) -> None:
    distinct, counts = np.unique(values, return_counts=True)
    shuffled = np.random.default_rng(0).permutation(len(distinct))
    edges = quantile_edges(distinct[shuffled], counts[shuffled], bins)
    assert len(edges) < bins
    assert (np.diff(edges) > 0).all()
    bin_of = np.searchsorted(edges, distinct, side="right")
    for number in range(len(edges) + 1):
        mass = counts[bin_of == number]
        assert mass.sum() <= len(values) / bins + mass.max()


def test_interval_tokens_name_their_bounds() -> None:
    tokens = interval_tokens(pa.array([-5.0, 1.5, 2.0, 9.0, None]), np.array([1.5, 3.0]))
    expected = ["[-inf, 1.5)", "[1.5, 3)", "[1.5, 3)", "[3, inf)", ""]
    assert tokens.to_pylist() == expected


@pytest.mark.parametrize("base", [2.0, 10.0, 1.5, np.e])
@given(exponent=st.integers(0, 40), side=st.sampled_from([1, -1]))
def test_log_bins_begin_at_the_powers_of_the_base(base: float, exponent: int, side: int) -> None:
    edge = float(Fraction(base) ** exponent)
    below, above = np.nextafter(edge, 0), np.nextafter(edge, np.inf)
    values = [repr(side * float(value)) for value in (below, edge, above)]
    tokens = log_tokens(pa.array(values), base).to_pylist()
    assert tokens[0] != tokens[1] == tokens[2]


@pytest.mark.parametrize(
    ("base", "exponent", "token"),
    [
        (10.0, 23, "[1e+23, 1e+24)"),
        (1.5, 34, "[970739.7373664756, 1456109.6060497134)"),
        (2.0, 1023, "[8.98846567431158e+307, inf)"),
    ],
)
def test_bounds_are_the_numbers_nearest_to_the_powers_on_every_cpu(
    base: float, exponent: int, token: str
) -> None:
    value = repr(float(Fraction(base) ** exponent))
    assert log_tokens(pa.array([value]), base).to_pylist() == [token]


@given(st.floats(-1e12, 1e12), st.sampled_from([2.0, 10.0]))
def test_a_log_token_is_the_interval_that_holds_the_value(value: float, base: float) -> None:
    (token,) = log_tokens(pa.array([repr(value)]), base).to_pylist()
    low, high = (float(bound) for bound in token[1:-1].split(", "))
    assert low <= value if token[0] == "[" else low < value
    assert value <= high if token[-1] == "]" else value < high
    assert (low, high) == (-1, 1) or max(abs(low), abs(high)) == base * min(abs(low), abs(high))
