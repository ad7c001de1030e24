"""The window of rows that were trained on last."""

import numpy as np
import pytest
import torch
from rows_of_ranks import Rows, metrics_here
from sklearn.metrics import roc_auc_score

from pipeline.metrics import click_window
from pipeline.metrics.click_window import ClickWindow

pytestmark = pytest.mark.usefixtures("alone")


def batches(count: int, rows: int) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Of two tasks; every fifth row is padding."""
    generator = torch.Generator().manual_seed(0)
    weights = (torch.arange(rows) % 5 > 0).float() * 1.25
    return [
        (
            torch.randn(2, rows, generator=generator),
            torch.randint(0, 2, (2, rows), generator=generator).float(),
            weights,
        )
        for _ in range(count)
    ]


def test_metrics_are_those_of_the_rows_as_of_any_split() -> None:
    window = ClickWindow(["task 0", "task 1"])
    given = batches(4, 50)
    for batch in given:
        window.add(*batch)
    found = window.metrics()
    logits, labels, weights = (
        torch.cat(column, dim=-1).numpy() for column in zip(*given, strict=True)
    )
    expected = metrics_here(Rows(logits, labels, weights, np.zeros(200, int))).by_task
    for label, figures in found.items():
        assert sorted(figures) == ["auc", "calibration", "logloss", "normalized_entropy"]
        assert figures == pytest.approx({name: expected[label][name] for name in figures})


def test_begins_anew_after_each_look() -> None:
    window = ClickWindow(["a", "b"])
    first, second = batches(2, 40)
    window.add(*first)
    window.metrics()
    window.add(*second)
    real = second[2] > 0
    expected = roc_auc_score(second[1][0, real], second[0][0, real])
    assert window.metrics()["a"]["auc"] == pytest.approx(expected)


def test_the_oldest_batches_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click_window, "WINDOW_ROWS", 100)
    window, last_two = ClickWindow(["a", "b"]), ClickWindow(["a", "b"])
    given = batches(7, 45)
    for batch in given:
        window.add(*batch)
    for batch in given[-2:]:
        last_two.add(*batch)
    assert window.metrics() == last_two.metrics()


def test_what_is_not_defined_is_left_out() -> None:
    window = ClickWindow(["a"])
    assert window.metrics() == {"a": {}}
    window.add(torch.zeros(1, 3), torch.zeros(1, 3), torch.ones(3))
    assert window.metrics() == {"a": {"logloss": pytest.approx(np.log(2))}}
