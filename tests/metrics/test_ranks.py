"""Metrics of 2 and 3 real processes with uneven parts, against those of one with all rows."""

import numpy as np
import pytest
from rows_of_ranks import EXACT, Rows, metrics_here, metrics_of_ranks
from sklearn.metrics import roc_auc_score

from pipeline.metrics.click_metrics import ClickResults

COARSE = 200


def rows_of(seed: int, ties: bool, weighted: bool) -> Rows:
    """Two tasks; the first scores of all are negatives, so a first part may have one class."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-1, 1.5, (2, 3_000)).astype(np.float32)
    labels = (rng.random((2, 3_000)) < 1 / (1 + np.exp(-scores))).astype(np.float32)
    labels[:, :400] = 0
    if ties:
        scores = np.round(2 * scores) / 2
    weights = rng.choice([0, 0.5, 1, 4], 3_000) if weighted else np.ones(3_000)
    return Rows(scores, labels, weights.astype(np.float32), rng.integers(0, 90, 3_000))


# Rows, and the capacity.
CASES = {
    "distinct scores": (rows_of(0, ties=False, weighted=False), EXACT),
    "ties": (rows_of(1, ties=True, weighted=False), EXACT),
    "weights": (rows_of(2, ties=False, weighted=True), EXACT),
    "weights and ties": (rows_of(3, ties=True, weighted=True), EXACT),
    "one score": (Rows(*[np.zeros((2, 9), np.float32)] * 2, *[np.ones(9, np.float32)] * 2), EXACT),
    "no rows": (rows_of(0, ties=False, weighted=False).part(0, 0), EXACT),
    "merged cells": (rows_of(4, ties=False, weighted=False), COARSE),
}
# Where the parts are cut: a part of one class, and one without rows.
CUTS = {2: [400], 3: [400, 400]}


@pytest.fixture(scope="module", params=sorted(CUTS))
def of_ranks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, ClickResults]]:
    """By rank, the results of every case."""
    ranks = request.param
    cases = [
        (rows, [min(cut, rows.weights.size) for cut in CUTS[ranks]], capacity)
        for rows, capacity in CASES.values()
    ]
    found = metrics_of_ranks(cases, ranks, tmp_path_factory.mktemp("ranks"))
    return [dict(zip(CASES, results, strict=True)) for results in found]


@pytest.mark.parametrize("name", CASES)
def test_every_rank_gets_the_same_bits(of_ranks: list[dict[str, ClickResults]], name: str) -> None:
    first, *others = (repr(results[name]) for results in of_ranks)
    assert all(other == first for other in others)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", [name for name in CASES if name != "merged cells"])
def test_are_those_of_one_process_with_all_rows(
    of_ranks: list[dict[str, ClickResults]], name: str
) -> None:
    alone, together = metrics_here(CASES[name][0]), of_ranks[0][name]
    assert together.rows == alone.rows
    for label, figures in alone.by_task.items():
        assert together.by_task[label] == pytest.approx(figures, abs=1e-12, nan_ok=True)
    assert together.curve.count.tolist() == alone.curve.count.tolist()
    assert together.curve.mean_prediction == pytest.approx(alone.curve.mean_prediction)
    assert together.curve.observed_rate == pytest.approx(alone.curve.observed_rate)


@pytest.mark.parametrize("task", [0, 1])
@pytest.mark.parametrize("name", ["distinct scores", "weights and ties", "merged cells"])
def test_auc_is_scikit_learns_within_its_bound(
    of_ranks: list[dict[str, ClickResults]], name: str, task: int
) -> None:
    rows, capacity = CASES[name]
    found = of_ranks[0][name].by_task[f"task {task}"]
    expected = roc_auc_score(rows.labels[task], rows.scores[task], sample_weight=rows.weights)
    bound = found.get("auc_error_bound", 0.0)
    assert (bound > 0) == (capacity == COARSE)
    assert bound < 2 / COARSE
    assert found["auc"] == pytest.approx(expected, abs=bound + 1e-12)
