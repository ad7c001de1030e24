"""How many positives and negatives have which scores: what AUC needs to know of any number of rows.

Scores are float32, so there are fewer than 2^32 of them. Each has an integer key of the same order.
A cell is a range of keys: a single one at first, so that nothing is lost and rows of equal scores
take one cell. Cells that become too many are merged with their neighbours, always to all keys that
share their leading bits. So the cells of two ranks lie apart or one inside the other, and can be
merged in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.metrics.runs import run_lengths, run_starts, run_sums

KEY_BITS = 32
_ALL_BUT_SIGN = 0x7FFFFFFF


@dataclass(frozen=True, eq=False)
class ScoreCells:
    """Disjoint ranges of keys, rising.

    Attributes:
        first: (C,) int32, the lowest key of each cell.
        last: (C,) int32, the highest, included.
        positive: (C,) float64, the weights of the positive rows in it.
        negative: (C,) float64, of the negative ones.
    """

    first: Tensor
    last: Tensor
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def pairs_won(self) -> Tensor:
        """() float64, the pairs of classes in which the positive scores more; in a cell, half."""
        return (self.positive * (self.negative.cumsum(0) - self.negative / 2)).sum()

    def cpu(self) -> "ScoreCells":
        """The same on the CPU."""
        return ScoreCells(
            self.first.cpu(), self.last.cpu(), self.positive.cpu(), self.negative.cpu()
        )


def score_keys(scores: Tensor) -> Tensor:
    """float32 -> int32 of the same order and the same ties, without nan.

    A positive float's bits rise with it as an integer's; a negative one's fall, so all but its sign
    are flipped. -0.0 is 0.0.

    >>> score_keys(torch.tensor([-float("inf"), -1.0, -0.0, 0.0, 1e-9])).tolist()
    [-2139095041, -1065353217, 0, 0, 814313567]
    """
    bits = (scores.float() + 0.0).view(torch.int32)
    return bits ^ ((bits >> (KEY_BITS - 1)) & _ALL_BUT_SIGN)


def key_scores(keys: Tensor) -> Tensor:
    """The float32 scores of keys.

    >>> key_scores(score_keys(torch.tensor([-2.5, 0.0, 7.0]))).tolist()
    [-2.5, 0.0, 7.0]
    """
    return (keys ^ ((keys >> (KEY_BITS - 1)) & _ALL_BUT_SIGN)).view(torch.float32)


def cells_of_rows(scores: Tensor, labels: Tensor, weights: Tensor) -> ScoreCells:
    """A cell for each distinct score of rows, (B,) each, on the device that they are on."""
    keys, order = torch.sort(score_keys(scores))
    starts = run_starts(keys)
    lengths = run_lengths(starts)
    weights, labels = weights.index_select(0, order).double(), labels.index_select(0, order) > 0
    distinct = keys[starts]
    return ScoreCells(
        distinct,
        distinct,
        run_sums(weights * labels, lengths),
        run_sums(weights * ~labels, lengths),
    )


def merge_cells(pieces: Sequence[ScoreCells]) -> ScoreCells:
    """The cells of several sets of rows; where one has a wide cell, all take it."""
    first, order = torch.sort(torch.cat([piece.first for piece in pieces]), stable=True)
    last = torch.cat([piece.last for piece in pieces]).index_select(0, order)
    reached = last.cummax(0).values if len(last) else last
    starts = torch.ones(len(first), dtype=torch.bool)
    starts[1:] = first[1:] > reached[:-1]
    lengths = run_lengths(starts)
    positive, negative = (
        run_sums(torch.cat(parts).index_select(0, order), lengths)
        for parts in (
            [piece.positive for piece in pieces],
            [piece.negative for piece in pieces],
        )
    )
    return ScoreCells(first[starts], reached[lengths.cumsum(0) - 1], positive, negative)


def coarsen_cells(cells: ScoreCells, capacity: int) -> ScoreCells:
    """Merges neighbours until at most ``capacity`` cells, 2 or more, are left.

    A cell of a share p of the positives and n of the negatives leaves p n of the pairs unordered,
    and AUC uncertain by half of that. Cells are merged up to p + n = 8 / capacity: p n is at most
    (p + n)^2 / 4 and the sum of p + n is 2, so AUC is within 2 / capacity. Where that merges too
    few, which takes scores that are spread over most of float32's range, the limit is doubled.
    """
    largest_share = 8 / capacity
    while len(cells) > capacity:
        for dropped_bits in range(1, KEY_BITS):
            # Half of the room is left for cells to come, and no more detail lost than that takes.
            if len(cells) > capacity // 2:
                cells = _merge_siblings(cells, dropped_bits, largest_share)
        largest_share *= 2
    return cells


def _merge_siblings(cells: ScoreCells, dropped_bits: int, largest_share: float) -> ScoreCells:
    """Merges the cells that share all key bits but the last few, where their rows are few."""
    prefixes = cells.first >> dropped_bits
    starts = run_starts(prefixes)
    lengths = run_lengths(starts)
    shares = run_sums(_shares(cells.positive) + _shares(cells.negative), lengths)
    merged = ((shares <= largest_share) & (lengths > 1)).repeat_interleave(lengths)
    kept = starts | ~merged
    lengths, merged = run_lengths(kept), merged[kept]
    first = torch.where(merged, prefixes[kept] << dropped_bits, cells.first[kept])
    last = torch.where(merged, first + ((1 << dropped_bits) - 1), cells.last[kept])
    return ScoreCells(
        first, last, run_sums(cells.positive, lengths), run_sums(cells.negative, lengths)
    )


def _shares(weights: Tensor) -> Tensor:
    """Weights over their sum; 0 where there are none."""
    return weights / weights.sum().clamp(min=torch.finfo(torch.float64).tiny)
