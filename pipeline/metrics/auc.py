"""The area under the ROC curve."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.rows import check_rows


def auc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """The probability that a random positive scores above a random negative; a tie counts 1/2.

    With P positives, N negatives and U the Mann-Whitney statistic,

        AUC = U / (P N),    U = #{(p, n): s_p > s_n} + #{(p, n): s_p = s_n} / 2

    (Hanley and McNeil, Radiology 143(1), 1982). Exact: the pairs are counted in integers, from one
    sort, so only the last division rounds.

    Args:
        labels: (rows,) 0 or 1.
        scores: (rows,) any scale on which a larger value means a more likely positive.

    Returns:
        A value in [0, 1]; nan when there is no pair (labels of one class, no rows) or a score is
        nan.

    Raises:
        ValueError: when the shapes are not one and the same (rows,).

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    >>> auc(np.array([0, 1]), np.array([0.5, 0.5]))
    0.5
    """
    check_rows(labels, scores)
    order = np.argsort(scores)
    ranked = scores[order]
    if not ranked.size or np.isnan(ranked[-1]):  # nan sorts to the end
        return math.nan
    group_end = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    positives = np.cumsum(labels[order] > 0)[group_end]
    negatives = group_end + 1 - positives
    pairs = 2 * int(positives[-1]) * int(negatives[-1])
    if pairs == 0:
        return math.nan
    # A positive wins against the negatives of lower groups and half of its own group's: twice
    # that is the sum of the negatives up to the group's start and up to its end.
    twice_wins = np.diff(positives, prepend=0) * (negatives + np.append(0, negatives[:-1]))
    return int(twice_wins.sum()) / pairs
