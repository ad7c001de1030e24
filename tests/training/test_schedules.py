"""Learning rates by step: points computed by hand, and torch's schedulers as a second opinion."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_trainings import SpecMaker, train_here
from torch.optim import lr_scheduler

from pipeline.spec_training import ScheduleSpec
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.schedules import scheduled


def rates(steps: int, peak: float = 1.0, **schedule: Any) -> list[float]:
    spec = ScheduleSpec(**schedule)
    return [scheduled(peak, spec, step) for step in range(steps)]


def rates_of_torch(scheduler: type, steps: int, **settings: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = scheduler(optimizer, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, [2.0, 2.0, 2.0]),
        ({"warmup_steps": 4}, [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]),
        (
            {"decay": "linear", "decay_steps": 4, "decay_factor": 0.2},
            [2.0, 1.6, 1.2, 0.8, 0.4, 0.4],
        ),
        # cos(60 degrees) is 1/2, cos(120 degrees) is -1/2.
        (
            {"decay": "cosine", "decay_steps": 3, "decay_factor": 0.0},
            [2.0, 1.5, 0.5, 0.0, 0.0],
        ),
        (
            {"decay": "step", "decay_steps": 2, "decay_factor": 0.1},
            [2.0, 2.0, 0.2, 0.2, 0.02, 0.02],
        ),
        (
            {"warmup_steps": 2, "decay": "linear", "decay_steps": 2, "decay_factor": 0.0},
            [1.0, 2.0, 2.0, 1.0, 0.0, 0.0],
        ),
    ],
)
def test_rates_are_those_computed_by_hand(schedule: dict[str, Any], expected: list[float]) -> None:
    assert rates(len(expected), peak=2.0, **schedule) == pytest.approx(expected)


DECAYS = {"decay_steps": st.integers(1, 20), "decay_factor": st.floats(0.01, 1)}


@given(**DECAYS)
def test_linear_decay_is_that_of_torch(decay_steps: int, decay_factor: float) -> None:
    ours = rates(30, decay="linear", decay_steps=decay_steps, decay_factor=decay_factor)
    theirs = rates_of_torch(
        lr_scheduler.LinearLR,
        30,
        start_factor=1.0,
        end_factor=decay_factor,
        total_iters=decay_steps,
    )
    assert ours == pytest.approx(theirs)


@given(**DECAYS)
def test_cosine_decay_is_that_of_torch_until_it_ends(decay_steps: int, decay_factor: float) -> None:
    ours = rates(
        decay_steps + 1, decay="cosine", decay_steps=decay_steps, decay_factor=decay_factor
    )
    theirs = rates_of_torch(
        lr_scheduler.CosineAnnealingLR, decay_steps + 1, T_max=decay_steps, eta_min=decay_factor
    )
    assert ours == pytest.approx(theirs, abs=1e-9)


@given(**DECAYS)
def test_decay_by_steps_is_that_of_torch(decay_steps: int, decay_factor: float) -> None:
    ours = rates(30, decay="step", decay_steps=decay_steps, decay_factor=decay_factor)
    theirs = rates_of_torch(lr_scheduler.StepLR, 30, step_size=decay_steps, gamma=decay_factor)
    assert ours == pytest.approx(theirs)


@given(
    warmup_steps=st.integers(0, 10),
    decay=st.sampled_from(["linear", "cosine", "step"]),
    **DECAYS,
)
def test_a_rate_rises_to_its_peak_then_never_rises(warmup_steps: int, **decay: Any) -> None:
    found = rates(40, warmup_steps=warmup_steps, **decay)
    top = max(warmup_steps - 1, 0)
    assert found[top] == 1.0
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)


@pytest.mark.parametrize("schedule", [{"decay": "linear"}, {"decay_steps": 10}])
def test_a_decay_without_its_length_is_refused(schedule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="need each other"):
        ScheduleSpec(**schedule)


def test_the_journal_has_the_rates_of_its_steps(make_spec: SpecMaker) -> None:
    schedule = {"warmup_steps": 4, "decay": "linear", "decay_steps": 4, "decay_factor": 0.0}
    spec = make_spec(
        embedding_optimizer={"learning_rate": 0.4},
        dense_optimizer={"learning_rate": 0.01, "schedule": schedule},
        train={"batch_size": 200, "epochs": 1},
    )
    train_here(spec)
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    train = [point for point in points if point["kind"] == "train"]
    by_hand = [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.0075, 0.005, 0.0025]
    assert [point["step"] for point in train] == list(range(1, 9))
    assert [point["dense_learning_rate"] for point in train] == pytest.approx(by_hand)
    assert {point["embedding_learning_rate"] for point in train} == {0.4}
