"""AUC and the calibration curve of all ranks' rows, while no rank holds all of them.

The ranks share the scores out: each owns a range, gets all cells in it, and counts the pairs won
there. Then the totals of the ranges below are all that it needs to know of the others.
"""

import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.metrics.calibration import CalibrationCurve
from pipeline.metrics.exchange import exchanged, gathered
from pipeline.metrics.score_cells import ScoreCells, key_scores, merge_cells

# A rank sees this many samples of each range, so ranges are equal to some 10 %.
SAMPLES_OF_RANGE = 64


@dataclass(frozen=True)
class ScoreRanking:
    """What the order of all rows' scores tells.

    Attributes:
        auc: nan without a pair of classes.
        auc_error_bound: the exact AUC is within this of ``auc``; 0 where no cells were merged.
        curve: of the predictions that the scores are logits of.
    """

    auc: float
    auc_error_bound: float
    curve: CalibrationCurve


def rank_scores(cells: ScoreCells, bins: int) -> ScoreRanking:
    """The ranking of the rows of all ranks' cells. Collective; every rank gets the same.

    With P positives, N negatives, and p_c and n_c of them in cell c, all by weight,

        AUC = sum_c p_c (N_below c + n_c / 2) / (P N)

    (Hanley and McNeil, Radiology 143(1), 1982), which is exact for cells of one score. Where a cell
    has several, any order of its rows changes AUC by no more than p_c n_c / (2 P N).

    Args:
        cells: this rank's, on the CPU.
        bins: of the calibration curve, at the most.
    """
    owned = _owned_range(cells)
    wide = owned.first < owned.last
    unordered = (owned.positive * owned.negative)[wide].sum() / 2
    local = [owned.positive.sum(), owned.negative.sum(), owned.pairs_won(), unordered]
    totals = gathered(torch.stack(local))
    positives, negatives, wins, uncertain = totals.sum(dim=0).tolist()
    negatives_below = totals[:, 1].cumsum(0) - totals[:, 1]
    wins += float((totals[:, 0] * negatives_below).sum())
    all_pairs = positives * negatives
    rows_below = float(totals[: dist.get_rank(), :2].sum())
    return ScoreRanking(
        wins / all_pairs if all_pairs else math.nan,
        uncertain / all_pairs if all_pairs else 0.0,
        _calibration_curve(owned, rows_below, positives + negatives, bins),
    )


def _owned_range(cells: ScoreCells) -> ScoreCells:
    """All ranks' cells in the range of scores that this rank owns."""
    bounds = _range_bounds(cells)
    cuts = torch.searchsorted(cells.first, bounds).tolist()
    counts = torch.tensor([0, *cuts, len(cells)]).diff().tolist()
    keys = exchanged(torch.stack([cells.first, cells.last], dim=1), counts)
    weights = exchanged(torch.stack([cells.positive, cells.negative], dim=1), counts)
    return merge_cells([ScoreCells(*keys.unbind(1), *weights.unbind(1))])


def _range_bounds(cells: ScoreCells) -> Tensor:
    """(ranks - 1,) int32, the lowest key of each range but the first; of about equally many cells.

    No cell of any rank lies across one.
    """
    ranks = dist.get_world_size()
    samples = SAMPLES_OF_RANGE * ranks
    places = torch.arange(samples) * len(cells) // samples
    keys = cells.first[places] if len(cells) else torch.zeros(samples)
    found = gathered(torch.cat([keys.double(), torch.tensor([float(len(cells))])]))
    ranked, order = torch.sort(found[:, :-1].reshape(-1))
    reached = found[:, -1].repeat_interleave(samples)[order].cumsum(0)
    wanted = torch.arange(1, ranks, dtype=torch.float64) * reached[-1] / ranks
    bounds = ranked[torch.searchsorted(reached, wanted)].int()
    # Cells lie apart or one inside the other, so the widest around a bound begins before the rest.
    holder = torch.searchsorted(cells.first, bounds, right=True) - 1
    if not len(cells):
        return gathered(bounds).amin(dim=0)
    first, last = cells.first[holder.clamp(min=0)], cells.last[holder.clamp(min=0)]
    across = (holder >= 0) & (last >= bounds)
    return gathered(torch.where(across, first, bounds)).amin(dim=0)


def _calibration_curve(
    owned: ScoreCells, rows_below: float, rows: float, bins: int
) -> CalibrationCurve:
    """Bin j of b begins with the cell that holds row j / b of all, by rising score. Collective.

    A cell's prediction is the middle of its probabilities; of one score, the score's own.
    """
    predictions = (_probabilities(owned.first) + _probabilities(owned.last)) / 2
    weights = owned.positive + owned.negative
    begins = torch.arange(bins, dtype=torch.float64) * rows / bins
    last_begun = torch.searchsorted(begins, rows_below + weights.cumsum(0)) - 1
    parts = [weights * predictions, owned.positive, weights]
    sums = torch.cat([_bin_sums(part, last_begun, bins) for part in parts])
    predicted, observed, count = gathered(sums).sum(dim=0).view(3, bins).numpy()
    filled = count > 0
    return CalibrationCurve(
        predicted[filled] / count[filled], observed[filled] / count[filled], count[filled]
    )


def _bin_sums(values: Tensor, places: Tensor, bins: int) -> Tensor:
    """(bins,) float64."""
    return torch.zeros(bins, dtype=torch.float64).index_add_(0, places, values)


def _probabilities(keys: Tensor) -> Tensor:
    return torch.sigmoid(key_scores(keys).double())
