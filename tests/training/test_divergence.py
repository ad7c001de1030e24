"""A training that diverges stops, says where, and leaves only good checkpoints."""

import re

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.console import InputError
from pipeline.distributed.runtime import start_runtime
from pipeline.model.click_task import Prediction
from pipeline.training.checkpoints.directories import whole_checkpoints
from pipeline.training.checkpoints.stored_tensor import stored
from pipeline.training.divergence import Position, RecentLosses, all_finite
from pipeline.training.run_directory import RunDirectory

WILD = {"name": "sgd", "learning_rate": 1e30}


def outcome(loss: float, penalty: float = 0.0) -> Prediction:
    nothing = torch.zeros(1)
    return Prediction(
        torch.tensor(loss), torch.tensor(penalty), nothing, nothing, nothing, gate=None
    )


def losses_of(values: list[tuple[float, float]], largest: float = 100.0) -> RecentLosses:
    with start_runtime("cpu") as runtime:
        losses = RecentLosses(runtime, largest)
    for place, (loss, penalty) in enumerate(values):
        losses.add(Position(place + 1, 0, place), outcome(loss, penalty))
    return losses


def test_a_diverged_training_names_step_batch_files_and_the_last_good_checkpoint(
    make_spec: SpecMaker,
) -> None:
    spec = make_spec(dense_optimizer=WILD, train={"checkpoint_every": 1, "log_every": 1000})
    with pytest.raises(InputError) as raised:
        train_here(spec)
    directory = RunDirectory(spec.run_directory)
    text = str(raised.value)
    assert re.search(r"nan at step 2, batch 2 of 13 in epoch 1, with rows of train/part-0", text)
    assert f"the last good checkpoint is {directory.checkpoints}/step-0000000001." in text
    assert len(whole_checkpoints(directory.checkpoints)) == 1
    assert not directory.best.exists()


def test_weights_that_overflowed_after_a_finite_loss_are_not_saved(make_spec: SpecMaker) -> None:
    overflowing = {"name": "sgd", "learning_rate": 1e300}
    spec = make_spec(dense_optimizer=overflowing, train={"checkpoint_every": 1})
    with pytest.raises(
        InputError, match="a weight or a moment is not finite at step 1, batch 1 of"
    ):
        train_here(spec)
    assert whole_checkpoints(RunDirectory(spec.run_directory).checkpoints) == []


def test_a_loss_above_the_limit_stops_the_training(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"max_loss": 0.1})
    with pytest.raises(InputError, match=r"the loss is 0\.\d+ at step 1, batch 1 of 13 in epoch 1"):
        train_here(spec)


@pytest.mark.parametrize("bad", [(float("nan"), 0.0), (0.5, float("inf")), (101.0, 0.0)])
def test_the_first_bad_step_is_found_among_many(bad: tuple[float, float]) -> None:
    losses = losses_of([(0.7, 0.0), (0.6, 0.0), bad, (float("nan"), 0.0)])
    with start_runtime("cpu"):
        diverged = losses.means().diverged
    assert diverged is not None
    assert diverged[0] == Position(3, 0, 2)


@pytest.mark.parametrize(
    ("loss", "penalty", "reason"),
    [
        (90.0, 20.0, "the loss is 110"),
        (0.5, 120.0, "the penalty is 120, beside a loss of 0.5,"),
        (0.5, float("nan"), "the penalty is nan, beside a loss of 0.5,"),
        (float("nan"), 0.25, "the loss is nan"),
        (float("inf"), float("inf"), "the loss is inf"),
    ],
)
def test_the_larger_part_of_what_is_minimised_is_named(
    loss: float, penalty: float, reason: str
) -> None:
    losses = losses_of([(loss, penalty)])
    with start_runtime("cpu"):
        diverged = losses.means().diverged
    assert diverged is not None
    assert diverged.reason == reason


def test_the_means_are_those_of_the_steps_since_the_last_point() -> None:
    losses = losses_of([(100.0, 0.0)])
    losses.clear()
    for place, loss in enumerate((0.5, 0.75)):
        losses.add(Position(place, 0, place), outcome(loss, 0.125))
    with start_runtime("cpu"):
        means = losses.means()
    assert (means.loss, means.penalty, means.diverged) == (0.625, 0.125, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_number_that_is_not_finite_is_found(value: float) -> None:
    weight = torch.zeros(50, 3)
    state = {"good": stored(torch.ones(4)), "count": stored(torch.tensor(3)), "w": stored(weight)}
    with start_runtime("cpu") as runtime:
        assert all_finite(state, runtime)
        weight[17, 2] = value
        assert not all_finite(state, runtime)
