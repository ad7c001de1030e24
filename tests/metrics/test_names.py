"""Which way each metric is better."""

import pytest

from pipeline.metrics.names import METRIC_NAMES, badness


@pytest.mark.parametrize(
    ("name", "worse", "better"),
    [
        ("auc", 0.7, 0.8),
        ("gauc", 0.5, 0.6),
        ("logloss", 0.6, 0.5),
        ("normalized_entropy", 1.0, 0.9),
        ("loss", 2.0, 1.0),
        ("calibration", 1.2, 1.1),
        ("calibration", 0.7, 1.2),
    ],
)
def test_the_better_value_has_less_badness(name: str, worse: float, better: float) -> None:
    assert badness(name, better) < badness(name, worse)


def test_every_name_has_a_direction() -> None:
    assert [badness(name, 1.0) for name in METRIC_NAMES] == [-1.0, 1.0, 1.0, 0.0, -1.0]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'f1'; there are auc, logloss"):
        badness("f1", 0.5)
