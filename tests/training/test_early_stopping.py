"""Early stopping on a validation metric."""

import pytest

from pipeline.training.early_stopping import EarlyStopping


def stopping_after(metric: str, patience: int, values: list[float]) -> EarlyStopping:
    stopping = EarlyStopping(metric, patience)
    for epoch, value in enumerate(values):
        stopping.update(10 * (epoch + 1), epoch, value)
    return stopping


@pytest.mark.parametrize(
    ("metric", "values", "best_epoch"),
    [
        ("auc", [0.6, 0.7, 0.65], 1),
        ("gauc", [0.6, 0.5, 0.65], 2),
        ("logloss", [0.6, 0.7, 0.5], 2),
        ("normalized_entropy", [0.9, 0.95, 0.91], 0),
        ("calibration", [1.3, 0.5, 0.9], 2),
        ("loss", [0.6, 0.5, 0.7], 1),
    ],
)
def test_the_best_is_the_highest_lowest_or_closest_to_one(
    metric: str, values: list[float], best_epoch: int
) -> None:
    stopping = stopping_after(metric, 3, values)
    assert (stopping.best_epoch, stopping.best) == (best_epoch, values[best_epoch])


def test_the_first_validation_is_the_best_so_far() -> None:
    assert EarlyStopping("auc", patience=3).update(10, 0, 0.4)


def test_an_equal_value_is_not_better() -> None:
    stopping = stopping_after("auc", 3, [0.6])
    assert not stopping.update(20, 1, 0.6)


def test_after_the_best_is_forgotten_the_next_is_the_best() -> None:
    stopping = stopping_after("auc", 3, [0.6, 0.7])
    stopping.forget_best()
    assert stopping.update(30, 2, 0.5)
    assert (stopping.best, stopping.best_epoch) == (0.5, 2)


def test_it_stops_after_patience_validations_without_a_better_one() -> None:
    values = [0.6, 0.7, 0.69, 0.68]
    stops = [stopping_after("auc", 2, values[: n + 1]).should_stop for n in range(4)]
    assert stops == [False, False, False, True]


def test_a_better_validation_restores_the_patience() -> None:
    assert not stopping_after("auc", 2, [0.7, 0.6, 0.8, 0.75]).should_stop


def test_it_knows_the_step_of_the_last_validation() -> None:
    assert stopping_after("auc", 2, [0.7, 0.6]).last_step == 20
