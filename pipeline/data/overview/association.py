"""How well one field alone tells the label: rates by id learnt on train rows, scored on others."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.fields.binning import quantile_edges
from pipeline.data.overview.sample import LabelledColumn
from pipeline.data.ragged import Ragged

# Rows at train's overall rate that every id is given on top of its own, or an id of one row would
# have a rate of 0 or 1.
PRIOR_ROWS = 20
# A dense field is cut into as many intervals of equal mass.
INTERVALS = 100
# Ids are counted where they stand up to this many; others are numbered anew first.
_FEW_IDS = 1 << 18


@dataclass(frozen=True)
class LabelCounts:
    """Occurrences and labels by id, of a sample.

    Attributes:
        ids: (n,) rising, those that occur.
        rows: (n,) occurrences.
        positives: (n,) those of them with label 1.
    """

    ids: np.ndarray
    rows: np.ndarray
    positives: np.ndarray

    def occurrences(self, wanted: int) -> int:
        """Of one id."""
        place = self.ids.searchsorted(wanted)
        there = place < len(self.ids) and self.ids[place] == wanted
        return int(self.rows[place]) if there else 0

    def of_ids(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(wanted,) occurrences and positives; 0 where an id does not occur."""
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        there = self.ids[places] == wanted
        return self.rows[places] * there, self.positives[places] * there


def count_labels(column: LabelledColumn, cardinality: int) -> LabelCounts:
    """Counts a field's labels by id.

    Args:
        column: at least one row.
        cardinality: its ids are below.
    """
    known, codes = None, column.flat
    if cardinality > _FEW_IDS:
        known, codes = np.unique(codes, return_inverse=True)
        cardinality = len(known)
    both = np.bincount(codes << 1 | column.flat_labels, minlength=2 * cardinality)
    positives = both[1::2]
    rows = both[::2] + positives
    seen = np.flatnonzero(rows)
    return LabelCounts(seen if known is None else known, rows[seen], positives[seen])


def one_field_auc(
    train: LabelCounts, rate: float, column: LabelledColumn, counts: LabelCounts
) -> float | None:
    """The AUC of a field's label rates by id, learnt on train rows, over other rows.

    With n rows and p positives of an id in train, its score is (p + a r) / (n + a), r being the
    share of positives in train and a ``PRIOR_ROWS``. A row of several ids has the mean of their
    scores.

    Args:
        train: of the train sample.
        rate: r.
        column: the rows to score.
        counts: of ``column``.

    Returns:
        None where ``column`` has labels of one class.
    """
    if isinstance(column.values, Ragged):
        scores = _means(_scores(train, rate, column.flat), column.values)
        return auc_of_groups(scores, column.labels, ~column.labels)
    scores = _scores(train, rate, counts.ids)
    return auc_of_groups(scores, counts.positives, counts.rows - counts.positives)


def _scores(train: LabelCounts, rate: float, ids: np.ndarray) -> np.ndarray:
    rows, positives = train.of_ids(ids)
    return (positives + PRIOR_ROWS * rate) / (rows + PRIOR_ROWS)


def interval_edges(numbers: np.ndarray) -> np.ndarray:
    """The inner edges of the intervals that stand for a dense field's ids."""
    values, counts = np.unique(numbers, return_counts=True)
    # Few values have an interval each: a rare one would fall together with a frequent one.
    return values[1:] if len(values) <= INTERVALS else quantile_edges(values, counts, INTERVALS)


def cut(column: LabelledColumn, edges: np.ndarray) -> LabelledColumn:
    """A dense field's numbers as ids, the intervals' numbers."""
    return LabelledColumn(np.searchsorted(edges, column.flat, side="right"), column.labels)


def auc_of_groups(scores: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float | None:
    """The AUC of rows that come in groups of one score, a tie counting 1/2.

    Args:
        scores: (groups,) of their rows; several groups may have the same.
        positives: (groups,) rows with label 1.
        negatives: (groups,) the others.

    Returns:
        None where one class of label has no row.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    group_end = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    above = np.cumsum(positives[order])[group_end]
    below = np.cumsum(negatives[order])[group_end]
    pairs = 2 * int(above[-1]) * int(below[-1])
    if not pairs:
        return None
    # A positive wins against the negatives of lower groups and half of its own group's.
    twice_wins = np.diff(above, prepend=0) * (below + np.append(0, below[:-1]))
    return int(twice_wins.sum()) / pairs


def _means(values: np.ndarray, rows: Ragged) -> np.ndarray:
    """(rows,) the mean of each row's values."""
    lengths = rows.lengths
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owner, weights=values, minlength=len(lengths)) / np.maximum(lengths, 1)
