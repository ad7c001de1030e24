"""Metrics of the rows that were trained on last, as the model predicted them before its step."""

import math
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.metrics.click_sums import ClickSums, click_sums
from pipeline.metrics.exchange import gathered
from pipeline.metrics.score_cells import cells_of_rows

# Of a rank: 12 MB on its device for one task.
WINDOW_ROWS = 1 << 20


class ClickWindow:
    """The last rows of a training, up to about a million a rank, and their metrics.

    Such progressive validation (Blum, Kalai and Langford, COLT 1999) costs no pass over data: each
    row is predicted by a model that has not seen it in this epoch, with dropout on. Adding a batch
    does no work; the rows are sorted and added up on the device, a few kernels in all.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        """Begins with no rows; ``labels`` are those of the T tasks."""
        self._labels = tuple(labels)
        self._batches: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self._rows = 0

    def add(self, logits: Tensor, labels: Tensor, weights: Tensor) -> None:
        """Takes a batch, (T, B), (T, B) and (B,); rows of weight 0 do not count."""
        self._batches.append((logits, labels, weights))
        self._rows += weights.shape[0]
        while self._rows > WINDOW_ROWS and len(self._batches) > 1:
            self._rows -= self._batches.popleft()[-1].shape[0]

    def metrics(self) -> dict[str, dict[str, float]]:
        """By label, what is defined of the rows since the last call. Collective.

        ``logloss``, ``normalized_entropy`` and ``calibration`` of all ranks' rows; ``auc``, exact,
        of this rank's.
        """
        sums = torch.zeros(len(self._labels), len(ClickSums._fields), dtype=torch.float64)
        aucs = [math.nan] * len(self._labels)
        if self._batches:
            columns = zip(*self._batches, strict=True)
            logits, labels, weights = (torch.cat(parts, dim=-1) for parts in columns)
            self._batches.clear()
            self._rows = 0
            sums = click_sums(logits, labels, weights).cpu()
            real = weights > 0
            aucs = [
                _auc(*of_task, weights[real])
                for of_task in zip(logits[:, real], labels[:, real], strict=True)
            ]
        of_all = gathered(sums.reshape(-1)).sum(dim=0).view_as(sums).tolist()
        return {
            label: _defined({"auc": auc, **ClickSums(*of_task).metrics()})
            for label, auc, of_task in zip(self._labels, aucs, of_all, strict=True)
        }


def _auc(logits: Tensor, labels: Tensor, weights: Tensor) -> float:
    """The exact AUC of (B,) rows; nan without a pair of classes."""
    # Adding up along float64 has no deterministic kernel on CUDA.
    cells = cells_of_rows(logits, labels, weights).cpu()
    return float(cells.pairs_won() / (cells.positive.sum() * cells.negative.sum()))


def _defined(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not math.isnan(value)}
