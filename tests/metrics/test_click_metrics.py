"""All metrics of a stream on one rank against scikit-learn: ties, weights, one class, bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_of_ranks import Rows, metrics_here
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.metrics.auc import auc
from pipeline.metrics.logloss import logloss
from pipeline.metrics.names import METRIC_NAMES

pytestmark = pytest.mark.usefixtures("alone")
seeds = st.integers(0, 10_000)


def sigmoid(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-scores.astype(np.float64)))


def random_rows(seed: int, rows: int, weighted: bool, ties: bool) -> Rows:
    """One task, both classes; scores are quarters where ties are wanted."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-1, 2, (1, rows)).astype(np.float32)
    labels = (rng.random((1, rows)) < sigmoid(scores)).astype(np.float32)
    labels[0, :2] = 0, 1
    weights = rng.choice([0, 0.25, 1, 7], rows) if weighted else np.ones(rows)
    weights[:2] = 1
    groups = rng.integers(0, 6, rows)
    if ties:
        scores = np.round(4 * scores) / 4
    return Rows(scores, labels, weights.astype(np.float32), groups)


@settings(max_examples=30)
@given(seeds, st.integers(2, 300), st.booleans(), st.booleans())
def test_auc_and_losses_are_scikit_learns(seed: int, rows: int, weighted: bool, ties: bool) -> None:
    case = random_rows(seed, rows, weighted, ties)
    found = metrics_here(case).by_task["task 0"]
    scores, labels, weights = (
        column.astype(np.float64) for column in (case.scores[0], case.labels[0], case.weights)
    )
    assert found["auc"] == pytest.approx(
        roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12
    )
    loss = log_loss(labels, sigmoid(scores), sample_weight=weights)
    assert found["logloss"] == pytest.approx(loss, rel=1e-12)
    rate = np.average(labels, weights=weights)
    base_loss = log_loss(labels, np.full(rows, rate), sample_weight=weights)
    assert found["normalized_entropy"] == pytest.approx(loss / base_loss, rel=1e-9)
    predicted = np.average(sigmoid(scores), weights=weights)
    assert found["calibration"] == pytest.approx(predicted / rate, rel=1e-12)
    assert "auc_error_bound" not in found


@settings(max_examples=25)
@given(seeds, st.integers(8, 200), st.booleans())
def test_auc_of_merged_cells_is_within_its_bound(seed: int, capacity: int, ties: bool) -> None:
    case = random_rows(seed, 3_000, weighted=False, ties=ties)
    found = metrics_here(case, capacity).by_task["task 0"]
    error = abs(found["auc"] - auc(case.labels[0], case.scores[0]))
    assert error <= found.get("auc_error_bound", 0.0) + 1e-15
    assert found.get("auc_error_bound", 0.0) <= 2 / capacity


def test_the_bound_holds_when_scores_come_sorted() -> None:
    """Cells merged early get more rows later, where scores drift through a stream."""
    case = random_rows(3, 20_000, weighted=False, ties=False)
    order = np.argsort(case.scores[0])
    drifting = Rows(case.scores[:, order], case.labels[:, order], case.weights, case.groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.metrics.click_metrics.BUFFER_ROWS", 512)
        found = metrics_here(drifting, 400).by_task["task 0"]
    error = abs(found["auc"] - auc(case.labels[0], case.scores[0]))
    assert 0 < error <= found["auc_error_bound"] < 0.01


@pytest.mark.slow
def test_ten_million_rows_in_a_quarter_of_their_cells_are_within_1e_6() -> None:
    case = random_rows(0, 10_000_000, weighted=False, ties=False)
    found = metrics_here(case, 1 << 21, batch_rows=65_536).by_task["task 0"]
    assert abs(found["auc"] - auc(case.labels[0], case.scores[0])) <= found["auc_error_bound"]
    assert found["auc_error_bound"] < 1e-6


def test_rows_of_weight_0_do_not_count_whatever_they_hold() -> None:
    case = random_rows(5, 200, weighted=False, ties=False)
    padded = random_rows(5, 200, weighted=False, ties=False)
    for column in (padded.scores, padded.labels):
        column[0, 150:] = np.nan
    weights = np.where(np.arange(200) < 150, 1, 0).astype(np.float32)
    padded = Rows(padded.scores, padded.labels, weights, padded.groups)
    found, expected = metrics_here(padded), metrics_here(case.part(0, 150))
    assert found.rows == 150
    assert found.by_task == expected.by_task


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_auc_but_a_loss(label: float) -> None:
    scores = np.array([[0.5, -1.0, 2.0]], dtype=np.float32)
    case = Rows(scores, np.full((1, 3), label, np.float32), np.ones(3, np.float32), np.ones(3, int))
    found = metrics_here(case).by_task["task 0"]
    assert found["logloss"] == pytest.approx(logloss(case.labels[0], sigmoid(scores[0])))
    for name in ("auc", "gauc", "normalized_entropy"):
        assert math.isnan(found[name]), name
    assert math.isnan(found["calibration"]) == (label == 0)


def test_no_rows_have_no_metrics() -> None:
    nothing = np.empty((1, 0), np.float32)
    found = metrics_here(Rows(nothing, nothing, nothing[0], np.empty(0, int)))
    assert found.rows == 0
    assert all(math.isnan(found.by_task["task 0"][name]) for name in METRIC_NAMES)
    assert found.curve.count.size == 0


def test_a_nan_score_makes_every_metric_nan() -> None:
    case = random_rows(1, 50, weighted=False, ties=False)
    case.scores[0, 7] = np.nan
    found = metrics_here(case).by_task["task 0"]
    assert all(math.isnan(found[name]) for name in METRIC_NAMES)


def test_each_task_has_the_metrics_of_its_own_labels_and_scores() -> None:
    one, two = (random_rows(seed, 300, weighted=False, ties=True) for seed in (1, 2))
    both = Rows(
        np.concatenate([one.scores, two.scores]),
        np.concatenate([one.labels, two.labels]),
        one.weights,
        one.groups,
    )
    of_two = Rows(two.scores, two.labels, one.weights, one.groups)
    found = metrics_here(both).by_task
    assert found["task 0"] == metrics_here(one).by_task["task 0"]
    assert found["task 1"] == metrics_here(of_two).by_task["task 0"]


def test_a_certain_mistake_costs_34_5_nats_as_everywhere() -> None:
    scores = np.array([[1000.0, -1000.0]], dtype=np.float32)
    case = Rows(scores, np.array([[0, 1]], np.float32), np.ones(2, np.float32), np.ones(2, int))
    found = metrics_here(case).by_task["task 0"]["logloss"]
    assert found == pytest.approx(-math.log(1e-15), rel=1e-12)
