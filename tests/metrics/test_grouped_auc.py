"""GAUC against scikit-learn's AUC of every group."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_of_ranks import Rows, metrics_here
from sklearn.metrics import roc_auc_score

from pipeline.console import InputError
from pipeline.metrics import group_rows
from pipeline.metrics.group_rows import GroupRows

pytestmark = pytest.mark.usefixtures("alone")


def mean_over_groups(rows: Rows) -> tuple[float, int]:
    """GAUC and the groups that it is of, from a loop."""
    total, weight_of_all, count = 0.0, 0.0, 0
    for group in range(1, rows.groups.max(initial=0) + 1):
        chosen = (rows.groups == group) & (rows.weights > 0)
        labels, weights = rows.labels[0, chosen], rows.weights[chosen].astype(np.float64)
        if labels.size and 0 < labels.mean() < 1:
            auc = roc_auc_score(labels, rows.scores[0, chosen], sample_weight=weights)
            total, weight_of_all = total + weights.sum() * auc, weight_of_all + weights.sum()
            count += 1
    return total / weight_of_all if count else math.nan, count


def random_rows(seed: int, rows: int, groups: int, weighted: bool) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(
        (rng.integers(-6, 7, (1, rows)) / 4).astype(np.float32),
        rng.integers(0, 2, (1, rows)).astype(np.float32),
        (rng.choice([0, 0.5, 1, 3], rows) if weighted else np.ones(rows)).astype(np.float32),
        rng.integers(0, groups + 1, rows),
    )


@settings(max_examples=30)
@given(st.integers(0, 9_999), st.integers(1, 120), st.integers(1, 30), st.booleans())
def test_is_the_mean_of_the_groups_auc_by_the_weight_of_their_rows(
    seed: int, rows: int, groups: int, weighted: bool
) -> None:
    case = random_rows(seed, rows, groups, weighted)
    found = metrics_here(case).by_task["task 0"]
    gauc, count = mean_over_groups(case)
    assert found["gauc"] == pytest.approx(gauc, abs=1e-12, nan_ok=True)
    assert found["gauc_groups"] == count


def test_by_hand_groups_of_one_class_and_group_0_are_left_out() -> None:
    # Group 1 has 2 rows and AUC 1, group 2 has 3 and AUC 0.5, group 3 one class.
    rows = Rows(
        np.array([[1, 2, 5, 5, 5, 9, 9, 1, 2]], np.float32),
        np.array([[0, 1, 1, 0, 0, 1, 1, 1, 0]], np.float32),
        np.ones(9, np.float32),
        np.array([1, 1, 2, 2, 2, 3, 3, 0, 0]),
    )
    found = metrics_here(rows).by_task["task 0"]
    assert found["gauc"] == (2 * 1 + 3 * 0.5) / 5
    assert found["gauc_groups"] == 2


def test_group_0_counts_where_no_group_is_of_the_unknown() -> None:
    # Group 0 has 4 rows and AUC 0, group 1 has 2 and AUC 1.
    rows = Rows(
        np.array([[0, 1, 2, 3, 0, 1]], np.float32),
        np.array([[1, 1, 0, 0, 0, 1]], np.float32),
        np.ones(6, np.float32),
        np.array([0, 0, 0, 0, 1, 1]),
    )
    found = metrics_here(rows, unknown=None).by_task["task 0"]
    assert found["gauc"] == pytest.approx((4 * 0 + 2 * 1) / 6)
    assert found["gauc_groups"] == 2


def test_rows_in_files_give_the_same_and_leave_none_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case = random_rows(0, 5_000, 200, weighted=True)
    expected = metrics_here(case).by_task
    monkeypatch.setattr(group_rows, "PART_ROWS", 700)
    monkeypatch.setattr(group_rows, "MEMORY_BYTES", 1_024)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = metrics_here(case).by_task
    assert found["task 0"] == pytest.approx(expected["task 0"], abs=1e-12)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_room_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(group_rows, "MEMORY_BYTES", 16)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    kept = GroupRows(tasks=1, expected_rows=10, unknown=0)
    rows = torch.zeros(1, 10)
    with pytest.raises(InputError) as caught:
        kept.add(torch.ones(10), rows, rows, torch.ones(10))
    assert str(caught.value) == (
        f"{tmp_path / 'absent'}: No such file or directory; GAUC keeps 16 bytes a row there, so "
        "set TMPDIR to a larger folder or leave out evaluate.group_field"
    )
