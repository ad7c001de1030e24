"""Normalised entropy against the base rate's entropy by hand, and its laws."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.normalized_entropy import normalized_entropy


def cross_entropy(rate: float, predicted: float) -> float:
    return -rate * math.log(predicted) - (1 - rate) * math.log(1 - predicted)


@given(st.floats(0.001, 0.999))
def test_predicting_the_base_rate_is_1(rate: float) -> None:
    assert normalized_entropy(cross_entropy(rate, rate), rate) == pytest.approx(1)


@given(st.floats(0.01, 0.99))
def test_any_other_constant_is_worse_than_the_base_rate(constant: float) -> None:
    assert normalized_entropy(cross_entropy(0.25, constant), 0.25) >= 1 - 1e-12


def test_is_the_loss_over_the_entropy_of_the_labels_mean() -> None:
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert normalized_entropy(0.4, 0.25) == pytest.approx(0.4 / entropy)


@pytest.mark.parametrize("rate", [0.0, 1.0, math.nan])
def test_labels_of_one_class_or_none_are_nan(rate: float) -> None:
    assert math.isnan(normalized_entropy(0.5, rate))
