"""Metrics of rows that are on a CUDA device are those of the same rows on the CPU."""

from collections.abc import Iterator

import pytest
import torch

from pipeline.distributed.runtime import start_runtime
from pipeline.metrics.click_metrics import ClickMetrics
from pipeline.metrics.click_window import ClickWindow
from pipeline.metrics.group_rows import GroupRows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
    pytest.mark.usefixtures("alone"),
]
ROWS = 400_000


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    with start_runtime("cuda"):
        yield


@pytest.fixture(scope="module")
def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, labels, weights and groups of two tasks, with ties and padding."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, ROWS, generator=generator)
    logits[:, ::2] = logits[:, ::2].mul(8).round() / 8
    labels = (torch.rand(2, ROWS, generator=generator) < torch.sigmoid(logits)).float()
    weights = (torch.rand(ROWS, generator=generator) > 0.1).float()
    return logits, labels, weights, torch.randint(0, 5_000, (ROWS,), generator=generator)


@pytest.mark.parametrize("capacity", [1 << 20, 1 << 12])
def test_of_a_split(rows: tuple[torch.Tensor, ...], capacity: int) -> None:
    found = []
    for device in ("cpu", "cuda"):
        metrics = ClickMetrics(["a", "b"], capacity, GroupRows(2, ROWS, unknown=0))
        for begin in range(0, ROWS, 8_192):
            *batch, groups = (column[..., begin : begin + 8_192] for column in rows)
            metrics.add(*(column.to(device) for column in batch), groups)
        found.append(metrics.results().by_task)
    for label in ("a", "b"):
        assert found[1][label] == pytest.approx(found[0][label], abs=1e-12)


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("deterministic")
def test_of_the_rows_trained_on_last(rows: tuple[torch.Tensor, ...]) -> None:
    found = []
    for device in ("cpu", "cuda"):
        window = ClickWindow(["a", "b"])
        window.add(*(column.to(device) for column in rows[:3]))
        found.append(window.metrics())
    for label in ("a", "b"):
        assert found[1][label] == pytest.approx(found[0][label], abs=1e-12)
