"""Calibration by hand."""

import math

from pipeline.metrics.calibration import calibration


def test_is_expected_over_observed_clicks() -> None:
    assert calibration(1.5, 2.0) == 0.75


def test_no_click_is_nan() -> None:
    assert math.isnan(calibration(0.3, 0.0))
