"""How well one field alone tells the label: rates by id learnt on train rows, scored on others."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.fields.binning import quantile_edges
from pipeline.data.overview.sample import SAMPLED_ROWS, LabelledColumn
from pipeline.data.ragged import Ragged

# Rows at train's overall rate that every id is given on top of its own, or an id of one row would
# have a rate of 0 or 1.
PRIOR_ROWS = 20
# A dense field is cut into as many intervals of equal mass.
INTERVALS = 100
# Ids are counted where they stand up to this many; others are numbered anew first.
_FEW_IDS = 4 * SAMPLED_ROWS


@dataclass(frozen=True)
class LabelCounts:
    """Rows and positives by id, of a sample.

    Attributes:
        ids: (n,) rising; None for all from 0.
        rows: (n,) occurrences.
        positives: (n,) those of them with label 1.
    """

    ids: np.ndarray | None
    rows: np.ndarray
    positives: np.ndarray

    def of_id(self, wanted: int) -> tuple[int, int]:
        """Rows and positives of an id."""
        place = wanted if self.ids is None else int(np.searchsorted(self.ids, wanted))
        if place >= len(self.rows) or (self.ids is not None and self.ids[place] != wanted):
            return 0, 0
        return int(self.rows[place]), int(self.positives[place])


@dataclass(frozen=True)
class Association:
    """What the label has to do with a field.

    Attributes:
        counts: of the train sample.
        auc: of one field as the only one; None when the scored rows have one class of label.
    """

    counts: LabelCounts
    auc: float | None


def associate(train: LabelledColumn, scored: LabelledColumn, cardinality: int) -> Association:
    """Learns a field's label rates by id on ``train`` and scores the rows of ``scored`` with them.

    With n rows and p positives of an id, its score is (p + a r) / (n + a), r being train's rate and
    a ``PRIOR_ROWS``. A row of several ids has the mean of their scores.

    Args:
        train: ids to learn on.
        scored: other rows' ids.
        cardinality: how many ids there are.
    """
    known, codes, scored_codes = _numbered(train.flat, scored.flat, cardinality)
    size = cardinality if known is None else len(known)
    rows, positives = _count(codes, train.flat_labels, size)
    scores = (positives + PRIOR_ROWS * train.labels.mean()) / (rows + PRIOR_ROWS)
    if isinstance(scored.values, Ragged):
        row_scores = _means(scores[scored_codes], scored.values)
        auc = auc_of_groups(row_scores, scored.labels, ~scored.labels)
    else:
        found, found_positives = _count(scored_codes, scored.labels, size)
        seen = np.flatnonzero(found)
        auc = auc_of_groups(scores[seen], found_positives[seen], (found - found_positives)[seen])
    return Association(LabelCounts(known, rows, positives), auc)


def associate_numbers(train: LabelledColumn, scored: LabelledColumn) -> Association:
    """The same for a dense field, with intervals of the train sample's numbers as ids."""
    values, counts = np.unique(train.flat, return_counts=True)
    # Few values have an interval each: a rare one would fall together with a frequent one.
    edges = values[1:] if len(values) <= INTERVALS else quantile_edges(values, counts, INTERVALS)
    cut = [
        LabelledColumn(np.searchsorted(edges, column.flat, side="right"), column.labels)
        for column in (train, scored)
    ]
    return associate(cut[0], cut[1], len(edges) + 1)


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
    group_end = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], bool(len(ranked))))
    above = np.cumsum(positives[order])[group_end]
    below = np.cumsum(negatives[order])[group_end]
    pairs = 2 * int(above[-1]) * int(below[-1]) if len(above) else 0
    if not pairs:
        return None
    # A positive wins against the negatives of lower groups and half of its own group's.
    twice_wins = np.diff(above, prepend=0) * (below + np.append(0, below[:-1]))
    return int(twice_wins.sum()) / pairs


def _numbered(
    ids: np.ndarray, others: np.ndarray, cardinality: int
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """The ids that codes from 0 stand for, None where ids are codes, and the codes of both."""
    if cardinality <= _FEW_IDS:
        return None, ids, others
    known, codes = np.unique(np.concatenate([ids, others]), return_inverse=True)
    return known, codes[: len(ids)], codes[len(ids) :]


def _count(codes: np.ndarray, labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(size,) rows and positives of each code, counted at once."""
    both = np.bincount(codes << 1 | labels, minlength=2 * size).reshape(-1, 2)
    return both.sum(axis=1), both[:, 1]


def _means(values: np.ndarray, rows: Ragged) -> np.ndarray:
    """(rows,) the mean of each row's values."""
    lengths = rows.lengths
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owner, weights=values, minlength=len(lengths)) / np.maximum(lengths, 1)
