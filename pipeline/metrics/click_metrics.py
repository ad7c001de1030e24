"""Every metric of a stream of predicted rows, spread over ranks, in bounded memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.metrics.calibration import CalibrationCurve
from pipeline.metrics.click_sums import ClickSums, click_sums
from pipeline.metrics.exchange import gathered
from pipeline.metrics.group_rows import GroupRows
from pipeline.metrics.score_cells import ScoreCells, cells_of_rows, coarsen_cells, merge_cells
from pipeline.metrics.score_ranking import ScoreRanking, rank_scores

# Rows are looked at by so many at once, on their device: 25 MB there for one task, sums included.
BUFFER_ROWS = 1 << 18
CALIBRATION_BINS = 20


@dataclass(frozen=True)
class ClickResults:
    """The metrics of all ranks' rows.

    Attributes:
        rows: their number.
        by_task: by label, the main one first: ``auc``, ``auc_error_bound`` where it is not 0,
            ``logloss``, ``normalized_entropy``, ``calibration``, and where there are groups
            ``gauc`` and ``gauc_groups``, the number of groups that it is the mean of.
        curve: of the main task's calibration.
    """

    rows: int
    by_task: dict[str, dict[str, float]]
    curve: CalibrationCurve


class ClickMetrics:
    """Takes this rank's rows batch by batch, and gives the metrics of all ranks' rows.

    AUC is exact as long as a rank meets no more than about ``capacity`` distinct scores; beyond
    them it keeps ranges of scores, and AUC comes with a bound of its error, of about
    2 / ``capacity`` (``score_cells``). Logloss, normalised entropy and calibration are sums.

    Memory, for each task: at most 2 x ``capacity`` cells of 24 bytes, about 140 each while they are
    merged.
    """

    def __init__(self, labels: Sequence[str], capacity: int, groups: GroupRows | None) -> None:
        """Begins with no rows.

        Args:
            labels: of the T tasks, the main one first.
            capacity: distinct scores, or ranges of them, that are kept of a task.
            groups: takes the rows by group, where GAUC is wanted.
        """
        self._labels, self._capacity, self._groups = tuple(labels), capacity, groups
        self._buffer: list[tuple[Tensor, ...]] = []
        self._buffered_rows = 0
        self._sums = torch.zeros(len(self._labels), len(ClickSums._fields), dtype=torch.float64)
        self._cells: list[list[ScoreCells]] = [[] for _ in self._labels]

    def add(
        self, logits: Tensor, labels: Tensor, weights: Tensor, groups: Tensor | None = None
    ) -> None:
        """Takes a batch; it is looked at later, so that no device has to wait for it.

        Args:
            logits: (T, B), of any float type.
            labels: (T, B), 0 or 1.
            weights: (B,); rows of weight 0 do not count.
            groups: (B,), the rows' groups on the CPU, where GAUC is wanted; see ``GroupRows`` for
                those that do not count.
        """
        batch = (logits, labels, weights) if groups is None else (logits, labels, weights, groups)
        self._buffer.append(batch)
        self._buffered_rows += weights.shape[0]
        if self._buffered_rows >= BUFFER_ROWS:
            self._empty_buffer()

    def results(self) -> ClickResults:
        """The metrics of all ranks' rows so far. Collective; every rank gets the same."""
        self._empty_buffer()
        found = gathered(self._sums.reshape(-1)).sum(dim=0).view_as(self._sums).tolist()
        sums = [ClickSums(*of_task) for of_task in found]
        rankings = [self._ranking(pieces) for pieces in self._cells]
        grouped = [None] * len(sums) if self._groups is None else self._groups.sums().tolist()
        by_task = {
            label: _figures(*of_task)
            for label, *of_task in zip(self._labels, sums, rankings, grouped, strict=True)
        }
        return ClickResults(int(sums[0].rows), by_task, rankings[0].curve)

    def _empty_buffer(self) -> None:
        if not self._buffer:
            return
        logits, labels, weights, *groups = (
            torch.cat(parts, dim=-1) for parts in zip(*self._buffer, strict=True)
        )
        self._buffer, self._buffered_rows = [], 0
        self._sums += click_sums(logits, labels, weights).cpu()
        real = weights > 0
        logits, labels, weights = logits[:, real], labels[:, real], weights[real]
        for task, pieces in enumerate(self._cells):
            pieces.append(cells_of_rows(logits[task], labels[task], weights).cpu())
            if sum(map(len, pieces)) > 2 * self._capacity:
                pieces[:] = [coarsen_cells(merge_cells(pieces), self._capacity)]
        if self._groups is not None:
            rows = (part.cpu() for part in (logits, labels, weights))
            self._groups.add(groups[0][real.cpu()], *rows)

    def _ranking(self, pieces: list[ScoreCells]) -> ScoreRanking:
        if not pieces:
            nothing = torch.empty(0)
            pieces.append(cells_of_rows(nothing, nothing, nothing))
        pieces[:] = [coarsen_cells(merge_cells(pieces), self._capacity)]
        return rank_scores(pieces[0], CALIBRATION_BINS)


def _figures(
    sums: ClickSums, ranking: ScoreRanking, grouped: list[float] | None
) -> dict[str, float]:
    """A task's metrics, in the order that they are shown in."""
    # A score that is nan has no place in the order.
    ordered = not math.isnan(sums.loss)
    figures: dict[str, float] = {"auc": ranking.auc if ordered else math.nan}
    if ranking.auc_error_bound:
        figures["auc_error_bound"] = ranking.auc_error_bound
    figures |= sums.metrics()
    if grouped is not None:
        weighted_auc, weight, groups = grouped
        figures["gauc"] = weighted_auc / weight if weight and ordered else math.nan
        figures["gauc_groups"] = int(groups)
    return figures
