"""Whether predicted probabilities match observed rates: in all, and bin by bin."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.rows import check_rows


def calibration(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Clicks expected over clicks observed: 1 is calibrated, above 1 predicts too many.

        calibration = mean(p) / mean(y)

    (He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, section
    3.1).

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (rows,) of label 1, in [0, 1].

    Returns:
        A value from 0; nan when no label is 1.

    Raises:
        ValueError: when the shapes are not one and the same (rows,).

    >>> calibration(np.array([1, 0]), np.array([0.75, 0.5]))
    1.25
    """
    check_rows(labels, probabilities)
    positives = int(np.count_nonzero(labels))
    return float(np.sum(probabilities, dtype=np.float64)) / positives if positives else math.nan


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """The reliability diagram: one entry a bin, by rising prediction.

    Attributes:
        mean_prediction: (bins,) float64.
        observed_rate: (bins,) float64, the share of label 1.
        count: (bins,) int64, the bin's rows.
    """

    mean_prediction: NDArray[np.float64]
    observed_rate: NDArray[np.float64]
    count: NDArray[np.int64]


def calibration_curve(
    labels: NDArray[Any], probabilities: NDArray[Any], bins: int
) -> CalibrationCurve:
    """Sorts the rows into bins of equal mass by prediction and compares each bin with its labels.

    Equal mass, because click probabilities crowd near 0 and equal widths would leave most bins
    almost empty (Nguyen and O'Connor, EMNLP 2015, section 4.1). Rows with the same prediction
    share a bin, so the curve does not depend on the order of the rows, and many equal
    predictions give fewer bins than asked for.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (rows,) of label 1, in [0, 1].
        bins: the most bins to make, 1 or more.

    Returns:
        The curve of at most min(bins, rows) bins; no bins for no rows.

    Raises:
        ValueError: when the shapes are not one and the same (rows,), or ``bins`` is below 1.

    >>> calibration_curve(np.array([0, 1, 1, 1]), np.array([0.25, 0.75, 0.5, 1.0]), bins=2)
    CalibrationCurve(mean_prediction=array([0.375, 0.875]), observed_rate=array([0.5, 1. ]), \
count=array([2, 2]))
    """
    check_rows(labels, probabilities)
    if bins < 1:
        raise ValueError(f"{bins} bins: at least 1 is needed")
    if not labels.size:
        return CalibrationCurve(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    order = np.argsort(probabilities)
    ranked = probabilities[order].astype(np.float64)
    equal_mass = np.arange(bins) * labels.size // bins
    starts = np.unique(np.searchsorted(ranked, ranked[equal_mass]))
    count = np.diff(starts, append=labels.size)
    return CalibrationCurve(
        mean_prediction=np.add.reduceat(ranked, starts) / count,
        observed_rate=np.add.reduceat((labels[order] > 0).astype(np.float64), starts) / count,
        count=count,
    )
