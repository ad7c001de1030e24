"""A checkpoint of two processes goes on under any other number of processes and plan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ranks import run_ranks
from small_trainings import (
    SpecMaker,
    last_checkpoint,
    last_state,
    run_stage,
    write_spec,
)

from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory, read_journal

SAVED_STEP = 8
# No dropout and no statistics of a batch: what a step does depends on the global batch alone.
BASE: dict[str, dict[str, Any]] = {"train": {"checkpoint_every": 4, "keep_checkpoints": 99}}


PREDICTOR = Path(__file__).parent / "write_predictions.py"


def predictions(spec: Spec, checkpoint: Path, processes: int) -> np.ndarray:
    """(rows,) what so many processes predict for the validation split with a checkpoint."""
    folder = Path(spec.run.directory).with_suffix(f".by-{processes}")
    folder.mkdir()
    run_ranks(PREDICTOR, [write_spec(spec), checkpoint, folder], processes)
    return np.concatenate([np.load(folder / f"{rank}.npy") for rank in range(processes)])


def losses_after(spec: Spec, step: int) -> list[float]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [p["loss"] for p in points if p["kind"] == "train" and p["step"] > step]


@pytest.mark.parametrize(
    ("optimizer", "saved", "resumed"),
    [
        pytest.param(
            "adagrad", "table_wise", [(1, "data_parallel"), (4, "row_wise")], marks=pytest.mark.slow
        ),
        pytest.param(
            "rowwise_adagrad",
            "row_wise",
            [(1, "table_wise"), (4, "table_row_wise")],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "sgd", "row_wise", [(1, "data_parallel"), (4, "table_wise")], marks=pytest.mark.slow
        ),
        pytest.param(
            "adagrad", "data_parallel", [(1, "row_wise"), (4, "table_wise")], marks=pytest.mark.slow
        ),
        pytest.param("adam", "data_parallel", [(1, "data_parallel")], marks=pytest.mark.slow),
    ],
)
def test_saved_by_two_it_goes_on_with_one_and_four(
    make_spec: SpecMaker,
    branch: Callable[..., Spec],
    optimizer: str,
    saved: str,
    resumed: list[tuple[int, str]],
) -> None:
    sections = {**BASE, "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02}}
    two = make_spec("two", **sections, sharding={"type": saved})
    run_stage("pipeline.train", two, 2)
    expected = losses_after(two, SAVED_STEP)
    for processes, sharding in resumed:
        name = f"{processes}-{sharding}"
        spec = branch(name, two, SAVED_STEP, **sections, sharding={"type": sharding})
        run_stage("pipeline.train", spec, processes)
        found = losses_after(spec, SAVED_STEP)
        # The first loss is of the predictions of the model as it was loaded.
        assert found[0] == pytest.approx(expected[0], abs=1e-6)
        assert found == pytest.approx(expected, abs=1e-4)
        assert last_state(spec).keys() == last_state(two).keys()


def test_one_and_four_predict_what_two_do_under_other_plans(make_spec: SpecMaker) -> None:
    two = make_spec("two", train={"epochs": 1}, sharding={"type": "table_wise"})
    run_stage("pipeline.train", two, 2)
    checkpoint = last_checkpoint(two)
    expected = predictions(two, checkpoint, processes=2)
    assert len(expected) == 200
    for processes, sharding in ((1, "data_parallel"), (4, "row_wise")):
        spec = make_spec(sharding, sharding={"type": sharding})
        found = predictions(spec, checkpoint, processes)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_groups_with_a_copy_each_hand_over_to_one_process_and_take_up_from_it(
    make_spec: SpecMaker, branch: Callable[..., Spec]
) -> None:
    """By SGD, for with other optimizers groups learn something else than one process."""
    by_sgd: dict[str, dict[str, Any]] = {
        **BASE,
        "embedding_optimizer": {"name": "sgd", "learning_rate": 0.5},
    }
    grouped = {**by_sgd, "sharding": {"type": "row_wise", "group_size": 2}}
    alone = {**by_sgd, "sharding": {"type": "table_wise"}}
    runs = {1: make_spec("alone", **alone), 4: make_spec("groups", **grouped)}
    for processes, spec in runs.items():
        run_stage("pipeline.train", spec, processes)
    expected = losses_after(runs[1], SAVED_STEP)
    again = {
        1: branch("alone-again", runs[4], SAVED_STEP, **alone),
        4: branch("groups-again", runs[1], SAVED_STEP, **grouped),
    }
    for processes, spec in again.items():
        run_stage("pipeline.train", spec, processes)
        assert losses_after(spec, SAVED_STEP) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adagrad", "rowwise_adagrad"])
def test_groups_that_go_on_end_as_groups_that_were_left_alone(
    make_spec: SpecMaker, branch: Callable[..., Spec], optimizer: str
) -> None:
    """To the bit with two processes; the order of more than two summands is no matter of ours."""
    sections: dict[str, dict[str, Any]] = {
        **BASE,
        "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02},
        "sharding": {"type": "table_wise", "group_size": 1},
    }
    unbroken = make_spec("unbroken", **sections)
    run_stage("pipeline.train", unbroken, 2)
    again = branch("again", unbroken, SAVED_STEP, **sections)
    run_stage("pipeline.train", again, 2)
    expected, found = last_state(unbroken), last_state(again)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.equal(found[name]), name
