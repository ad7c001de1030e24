"""Normalised entropy against the base rate's entropy by hand, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.normalized_entropy import normalized_entropy


@given(st.integers(1, 49), st.integers(50, 99))
def test_predicting_the_base_rate_is_1(positives: int, rows: int) -> None:
    labels = (np.arange(rows) < positives).astype(np.float32)
    assert normalized_entropy(labels, np.full(rows, positives / rows)) == pytest.approx(1)


@given(st.floats(0.01, 0.99))
def test_any_other_constant_is_worse_than_the_base_rate(constant: float) -> None:
    assert normalized_entropy(np.array([1, 0, 0, 0]), np.full(4, constant)) >= 1 - 1e-12


def test_is_the_loss_over_the_entropy_of_the_labels_mean() -> None:
    loss = -(math.log(0.6) + math.log(0.7) + math.log(0.9) + math.log(0.8)) / 4
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    found = normalized_entropy(np.array([1, 0, 0, 0]), np.array([0.6, 0.3, 0.1, 0.2]))
    assert found == pytest.approx(loss / entropy)


def test_certain_and_right_is_0() -> None:
    assert normalized_entropy(np.array([1, 0]), np.array([1.0, 0.0])) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_labels_of_one_class_are_nan(labels: list[int]) -> None:
    assert math.isnan(normalized_entropy(np.array(labels), np.full(len(labels), 0.5)))
