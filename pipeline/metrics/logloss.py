"""The logistic loss."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.rows import check_rows

# The smallest distance of a probability from 0 and 1, so that one confident mistake costs
# -ln(1e-15) = 34.5 nats and not infinity.
CLIP = 1e-15


def logloss(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """The mean negative log-likelihood of the labels, in nats.

        logloss = -mean(y ln p + (1 - y) ln(1 - p))

    with p clipped to [1e-15, 1 - 1e-15]. It is also the binary cross-entropy (Bishop, Pattern
    Recognition and Machine Learning, equation 4.90, divided by the rows).

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (rows,) of label 1, in [0, 1].

    Returns:
        A value from 0; nan when there are no rows.

    Raises:
        ValueError: when the shapes are not one and the same (rows,).

    >>> round(logloss(np.array([1, 0]), np.array([0.8, 0.4])), 6)
    0.366985
    """
    check_rows(labels, probabilities)
    if not labels.size:
        return math.nan
    clipped = np.clip(probabilities.astype(np.float64), CLIP, 1 - CLIP)
    likelihoods = np.where(labels > 0, clipped, 1 - clipped)
    return -float(np.mean(np.log(likelihoods)))
