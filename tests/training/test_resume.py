"""A training that is killed and started again ends as one that was left alone."""

import subprocess
import time
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from small_trainings import (
    SpecMaker,
    kill,
    last_state,
    run_stage,
    start_torchrun,
    train_here,
)

from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory, read_journal

# What a resumed training must carry on exactly: dropout, the gates' noise, running statistics, both
# optimizers.
DEMANDING = {
    "model": {"sets": 3, "dropout": 0.3, "normalization": "batch", "head": "sparse_gate"},
    "train": {"checkpoint_every": 4, "epochs": 3},
}


def wait_for_step(spec: Spec, step: int, process: subprocess.Popen[str]) -> None:
    """Returns when the run's journal has reached a step."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        points = read_journal(RunDirectory(spec.run_directory).journal_file)
        if points and points[-1]["step"] >= step:
            return
        time.sleep(0.01)
    kill(process)
    raise TimeoutError(f"no step {step} within two minutes, or the training ended before")


def assert_kills_do_not_matter(
    make_spec: SpecMaker, steps: Iterable[int], processes: int, sections: dict[str, Any]
) -> None:
    """Trains unbroken, then killed at the steps, and compares every tensor of the last states."""
    unbroken, killed = make_spec("unbroken", **sections), make_spec("killed", **sections)
    run_stage("pipeline.train", unbroken, processes)
    for step in steps:
        process = start_torchrun("pipeline.train", killed, processes)
        wait_for_step(killed, step, process)
        kill(process)
    run_stage("pipeline.train", killed, processes)
    expected, found = last_state(unbroken), last_state(killed)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.parametrize("optimizer", ["adagrad", pytest.param("adam", marks=pytest.mark.slow)])
def test_sigkill_and_restart_give_the_weights_of_an_unbroken_run(
    make_spec: SpecMaker, optimizer: str
) -> None:
    chosen = {"embedding_optimizer": {"name": optimizer, "learning_rate": 0.02}}
    assert_kills_do_not_matter(make_spec, (6, 20), 2, {**DEMANDING, **chosen})


@pytest.mark.slow
def test_more_than_two_ranks_add_their_gradients_in_the_same_order_after_a_restart(
    make_spec: SpecMaker,
) -> None:
    assert_kills_do_not_matter(make_spec, (6,), 4, {**DEMANDING, "sharding": {"type": "row_wise"}})


def test_the_journal_of_a_resumed_run_has_every_step_once(make_spec: SpecMaker) -> None:
    spec = make_spec(**DEMANDING)
    process = start_torchrun("pipeline.train", spec, processes=1)
    wait_for_step(spec, 7, process)
    kill(process)
    train_here(spec)
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    steps = [point["step"] for point in points if point["kind"] == "train"]
    assert steps == list(range(1, 3 * 13 + 1))


def test_a_finished_training_is_left_as_it_is(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(train={"epochs": 1})
    train_here(spec)
    record = RunDirectory(spec.run_directory).record_file
    written = record.stat().st_mtime_ns
    train_here(spec)
    assert "skipped" in capsys.readouterr().out
    assert record.stat().st_mtime_ns == written
