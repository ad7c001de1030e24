import math
import statistics
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.data.fields.counts import RunningCounts
from pipeline.data.fields.standardization import Standardization, count_sums, standardize
from pipeline.spec_data import FieldSpec

FIELD = FieldSpec(name="f", kind="dense")
finite = st.floats(-1e30, 1e30)


def learn(rows: list[str], chunk: int) -> Standardization:
    running = RunningCounts()
    for start in range(0, len(rows), chunk):
        encoded = pa.array(rows[start : start + chunk], pa.string()).dictionary_encode()
        running.add(count_sums(encoded.dictionary, np.bincount(encoded.indices.to_numpy())))
    return standardize(running.total())


@given(st.lists(finite, min_size=1, max_size=50))
@example([6.732655185893088e-157])
@example([2.7894322032902095e-160, 9.3656036235429e-160])
def test_mean_and_deviation_are_exact_to_the_last_rounding(values: list[float]) -> None:
    scale = learn([repr(value) for value in values], chunk=1_000)
    exact = [Fraction(value) for value in values]
    variance = statistics.pvariance(exact)
    assert scale.mean == float(statistics.mean(exact))
    assert scale.deviation == (math.sqrt(float(variance)) or 1.0)


@given(
    rows=st.lists(st.one_of(st.just(""), finite.map(repr)), min_size=1, max_size=40),
    chunk=st.integers(1, 9),
    seed=st.integers(0, 3),
)
def test_they_do_not_depend_on_order_or_chunks(rows: list[str], chunk: int, seed: int) -> None:
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert learn(rows, 1_000) == learn(shuffled, chunk)


@pytest.mark.parametrize(
    ("rows", "mean", "deviation"),
    [
        (["", ""], 0.0, 1.0),
        (["0.1"] * 7, 0.1, 1.0),
        (["1.148748719756762e-152"] * 7, 1.148748719756762e-152, 1.0),
        (["1", "", "3", "3", "1"], 2.0, 1.0),
    ],
)
def test_missing_values_do_not_count_and_a_constant_is_only_shifted(
    rows: list[str], mean: float, deviation: float
) -> None:
    assert learn(rows, 2) == Standardization(mean, deviation)


def test_values_are_scaled_and_a_missing_one_is_0() -> None:
    values = Standardization(10.0, 4.0).encode(FIELD, pa.array(["10", "", "12", "-2"]))
    assert values.dtype == np.float32
    assert values.tolist() == [0.0, 0.0, 0.5, -3.0]
