"""Whether predicted probabilities match observed rates: in all, and bin by bin."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def calibration(expected: float, observed: float) -> float:
    """Clicks expected over clicks observed: 1 is calibrated, above 1 predicts too many.

        calibration = sum_b w_b p_b / sum_b w_b y_b

    (He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, section
    3.1).

    Args:
        expected: the sum of the predicted probabilities, by row weight.
        observed: the sum of the labels, by row weight.

    Returns:
        A value from 0; nan when no label is 1.

    >>> calibration(1.25, 1)
    1.25
    """
    return expected / observed if observed else math.nan


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """The reliability diagram: one entry a bin, by rising prediction.

    The bins are of about equal mass, because click probabilities crowd near 0 and equal widths
    would leave most bins almost empty (Nguyen and O'Connor, EMNLP 2015, section 4.1). Rows of equal
    predictions share a bin, so the curve does not depend on the order of the rows, and many equal
    predictions give fewer bins than asked for.

    Attributes:
        mean_prediction: (bins,) float64.
        observed_rate: (bins,) float64, the share of label 1.
        count: (bins,) float64, the bin's rows, by weight.
    """

    mean_prediction: NDArray[np.float64]
    observed_rate: NDArray[np.float64]
    count: NDArray[np.float64]
