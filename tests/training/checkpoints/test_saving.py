"""Checkpoints are whole or not there, hold bytes and JSON, and the last ones stay."""

import json
import os
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from full_disk import files_of_at_most

from pipeline.console import InputError
from pipeline.distributed.runtime import Runtime, start_runtime
from pipeline.spec import Spec
from pipeline.training.checkpoints.directories import (
    clear_unfinished,
    remove_old,
    whole_checkpoints,
)
from pipeline.training.checkpoints.record import read_record
from pipeline.training.checkpoints.rows import read_tensor
from pipeline.training.checkpoints.saver import CheckpointSaver
from pipeline.training.checkpoints.stored_tensor import stored
from pipeline.training.run_directory import UPDATES, RunDirectory

TRAINING = Path(__file__).parents[3] / "pipeline" / "training"


def whole(spec: Spec) -> list[Path]:
    return whole_checkpoints(RunDirectory(spec.run_directory).checkpoints)


class Saving:
    """A saver of one vector, in the run directory of a training that is done."""

    def __init__(self, trained: Spec, runtime: Runtime) -> None:
        self.directory = RunDirectory(trained.run_directory)
        self.progress = read_record(whole(trained)[-1]).progress
        self.saver = CheckpointSaver(self.directory, {}, keep=2, runtime=runtime)
        self.values = torch.arange(100_000, dtype=torch.float32)

    def save(self, step: int, is_best: bool = False) -> None:
        state = {"model.values": stored(self.values), "dense.moment": stored(self.values * 2)}
        self.saver.save(state, replace(self.progress, step=step), is_best)

    def saved(self, step: int) -> torch.Tensor:
        directory = self.directory.checkpoints / f"step-{step:010d}"
        return read_tensor(directory, read_record(directory), "model.values")


@pytest.fixture
def saving(trained: Spec) -> Iterator[Saving]:
    with start_runtime("cpu") as runtime:
        yield Saving(trained, runtime)


def test_the_last_checkpoints_are_kept(trained: Spec) -> None:
    kept = ["step-0000000009", "step-0000000012", "step-0000000013"]
    assert [path.name for path in whole(trained)] == kept


def test_a_checkpoint_explains_its_run(trained: Spec) -> None:
    checkpoint = whole(trained)[-1]
    files = {path.name for path in checkpoint.iterdir()}
    texts = {"checkpoint.json", "spec.toml", "plan.txt", "plan.json"}
    assert files == texts | {"model-0.bin", "optimizers-0.bin"}
    assert tomllib.loads((checkpoint / "spec.toml").read_text())["model"]["sets"] == 2
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    assert (record["progress"]["step"], record["progress"]["epoch"]) == (13, 1)
    assert record["identity"]["model.sets"] == 2
    assert record["identity"][UPDATES] == "sparse"


def test_the_best_model_comes_without_optimizers(trained: Spec) -> None:
    best = RunDirectory(trained.run_directory).best
    assert {path.name for path in best.glob("*.bin")} == {"model-0.bin"}
    assert all(name.startswith("model.") for name in read_record(best).tensors)


def test_the_files_hold_the_tensors_bytes_and_no_objects(saving: Saving) -> None:
    saving.save(step=50)
    saving.saver.settle()
    data = (saving.directory.checkpoints / "step-0000000050" / "model-0.bin").read_bytes()
    assert data == saving.values.numpy().tobytes()


def test_no_module_of_training_unpickles() -> None:
    sources = {path: path.read_text() for path in TRAINING.rglob("*.py")}
    assert [path for path, text in sources.items() if "pickle." in text] == []
    assert [path for path, text in sources.items() if "torch.load(" in text] == []


def test_what_is_saved_is_what_was_there_when_save_was_called(saving: Saving) -> None:
    expected = saving.values.clone()
    saving.save(step=50)
    saving.values.zero_()
    saving.saver.settle()
    assert saving.saved(50).equal(expected)


def test_at_most_one_write_is_under_way(saving: Saving) -> None:
    saving.save(step=50)
    saving.save(step=60)
    assert (saving.directory.checkpoints / "step-0000000050").is_dir()


def test_a_checkpoint_that_is_whole_is_published_at_the_next_poll(saving: Saving) -> None:
    saving.save(step=50)
    published = saving.directory.checkpoints / "step-0000000050"
    deadline = time.monotonic() + 30
    while not published.is_dir() and time.monotonic() < deadline:
        saving.saver.poll()
        time.sleep(0.01)
    assert published.is_dir()


def test_the_best_model_is_published_with_the_checkpoint_that_remembers_it(saving: Saving) -> None:
    before = (saving.directory.best / "checkpoint.json").read_text()
    saving.save(step=50, is_best=True)
    saving.saver.wait()
    assert (saving.directory.best / "checkpoint.json").read_text() == before
    saving.saver.settle()
    assert set(read_record(saving.directory.best).tensors) == {"model.values"}


def test_what_is_published_is_on_the_disk_before_and_after(
    saving: Saving, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []

    def note(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", note)
    saving.save(step=50, is_best=True)
    saving.saver.settle()
    of_run = saving.directory
    written = [of_run.checkpoints / "step-0000000050.partial", of_run.path / "best.partial"]
    for place in written:
        assert {place / "model-0.bin", place / "checkpoint.json", place} <= set(flushed)
    # The best model is where it belongs before the checkpoint that remembers it.
    assert flushed[-2:] == [of_run.path, of_run.checkpoints]


def test_a_full_disk_is_one_clear_line_and_leaves_the_checkpoints_before(saving: Saving) -> None:
    before = whole_checkpoints(saving.directory.checkpoints)
    with files_of_at_most(100_000):
        saving.save(step=50, is_best=True)
        with pytest.raises(InputError, match="checkpoints: cannot be written: File too large"):
            saving.saver.settle()
    assert whole_checkpoints(saving.directory.checkpoints) == before
    assert list(saving.directory.path.rglob("*.partial")) == []


def test_a_place_that_cannot_be_written_is_named(saving: Saving) -> None:
    blocked = saving.directory.checkpoints / "step-0000000050.partial"
    blocked.write_text("a file where a directory has to be")
    saving.save(step=50)
    with pytest.raises(InputError, match="checkpoints: a checkpoint cannot be written: File exi"):
        saving.saver.settle()


def test_what_a_killed_run_left_is_cleared_and_what_it_moved_aside_put_back(trained: Spec) -> None:
    directory = RunDirectory(trained.run_directory)
    first, second, third = whole(trained)
    third.rename(third.with_name(third.name + ".partial"))
    second.rename(second.with_name(second.name + ".replaced"))
    directory.best.rename(directory.best.with_name("best.replaced"))
    clear_unfinished(directory.checkpoints, directory.best)
    assert whole(trained) == [first, second]
    assert list(directory.checkpoints.iterdir()) == [first, second]
    assert directory.best.is_dir()


def test_a_damaged_checkpoint_takes_no_other_ones_place(trained: Spec) -> None:
    first, second, third = whole(trained)
    damaged = third.rename(third.with_name(third.name + ".damaged"))
    remove_old(third.parent, keep=1)
    assert whole(trained) == [second]
    assert damaged.is_dir()
    assert not first.exists()
