"""Information abundance by field, validation after validation, whatever the fields are called."""

import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.diagnostics.collapse import Spectrum, spectrum_of
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.collapse_log import KIND, CollapseLog
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.journal import Journal
from pipeline.training.run_directory import RunDirectory, read_journal

# Equal singular values: the abundance is their number.
SPECTRA = {name: spectrum_of(torch.eye(3)) for name in ("kind", "step", "epoch", "item")}


def validate(directory: RunDirectory, step: int, spectra: dict[str, Spectrum]) -> None:
    """Takes a training up that stands at a step, and writes its validation."""
    stopping = EarlyStopping("auc", patience=9, last_step=step - 1)
    journal = Journal(directory, Progress(stopping, step=step))
    CollapseLog(journal, directory.journal_file).write(step, 0, spectra)
    journal.close()


def test_fields_of_any_name_leave_points_their_own_keys(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for step in (5, 10):
        validate(directory, step, SPECTRA)
    points = read_journal(directory.journal_file)
    keys = [(point["kind"], point["step"], point["epoch"]) for point in points]
    assert keys == [(KIND, 5, 0), (KIND, 10, 0)]
    assert points[1]["fields"] == pytest.approx(dict.fromkeys(SPECTRA, 3.0))
    events = EventAccumulator(str(directory.tensorboard))
    events.Reload()
    assert [one.value for one in events.Scalars(f"{KIND}/step")] == pytest.approx([3.0, 3.0])


def test_a_training_goes_on_from_points_as_they_were_before(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    before = {"kind": KIND, "step": 5, "epoch": 0, "item": 2.5}
    directory.journal_file.write_text(json.dumps(before) + "\n")
    validate(directory, 10, {"item": SPECTRA["item"]})
    points = read_journal(directory.journal_file)
    assert [point["step"] for point in points] == [5, 10]
