"""The logistic loss against that of always predicting the base rate."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.logloss import logloss


def normalized_entropy(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """The logloss over the entropy of the labels' mean r: below 1 is better than knowing only r.

        NE = logloss / -(r ln r + (1 - r) ln(1 - r))

    (He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, equation
    1). Unlike the logloss it can be compared between data of different base rates.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (rows,) of label 1, in [0, 1].

    Returns:
        A value from 0; nan when the labels are of one class or there are no rows.

    Raises:
        ValueError: when the shapes are not one and the same (rows,).

    >>> normalized_entropy(np.array([1, 0, 0, 0]), np.full(4, 0.25))
    1.0
    """
    loss = logloss(labels, probabilities)
    base_rate = float(np.mean(labels > 0)) if labels.size else 0.0
    if base_rate in (0.0, 1.0):
        return math.nan
    return loss / logloss(labels, np.full(labels.shape, base_rate))
