"""What ranks do when one of them hangs, cannot read, or has no rows."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from small_trainings import SpecMaker, children, kill, run_stage, start_torchrun, train_here

from pipeline.data.manifest import SPLITS, read_manifest
from pipeline.data.preparation.build import build
from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory, read_journal

FEW = {"train": 4, "valid": 2, "test": 2}


@pytest.fixture
def dataset_of_few_rows(tmp_path: Path) -> Path:
    """Fewer rows in a split than processes, both classes in each."""
    for name in SPLITS:
        rows = np.arange(FEW[name])
        table = pa.table({"label": rows % 2, "tiny": rows % 3, "large": rows})
        pyarrow.csv.write_csv(table, tmp_path / f"{name}.csv")
    values = {
        "run": {"directory": str(tmp_path / "few")},
        "data": {
            "format": "csv",
            "source": str(tmp_path),
            "fields": [{"name": "tiny"}, {"name": "large"}],
            "splits": {name: f"{name}.csv" for name in SPLITS},
        },
    }
    spec = Spec.model_validate(values)
    build(spec, {})
    return spec.dataset_directory


def rank_of(process: int) -> int | None:
    """The rank of a process, None of the launcher's other children."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"RANK="):
                return int(entry[5:])
    return None


def wait_for_points(spec: Spec, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(read_journal(RunDirectory(spec.run_directory).journal_file)) < count:
        assert time.monotonic() < deadline, "the training did not begin"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_rank_that_hangs_is_replaced_and_the_job_ends_as_if_it_had_not(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 60, "checkpoint_every": 10, "timeout_minutes": 0.3, "patience": 60}
    spec = make_spec("hung", train=settings)
    monkeypatch.setenv("PET_MAX_RESTARTS", "2")
    process = start_torchrun("pipeline.train", spec, processes=2)
    try:
        wait_for_points(spec, 30)
        (victim,) = [pid for pid in children(process.pid) if rank_of(pid) == 1]
        os.kill(victim, signal.SIGSTOP)
        output, _ = process.communicate(timeout=400)
    finally:
        kill(process)
    assert process.returncode == 0, output
    assert "resumes from" in output
    steps = [
        point["step"]
        for point in read_journal(RunDirectory(spec.run_directory).journal_file)
        if point["kind"] == "train"
    ]
    assert steps == list(range(1, 60 * 13 + 1))


def test_a_shard_that_was_changed_ends_every_rank_with_a_line_that_names_it(
    make_spec: SpecMaker, tiny_dataset: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_dataset, broken)
    part = broken / read_manifest(broken).splits["train"].parts[2].file
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    process = start_torchrun("pipeline.train", make_spec(data={"directory": str(broken)}), 2)
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert f"error: {part}: its digest is not the manifest's" in output
    # No traceback but torchrun's own.
    assert "/pipeline/training/" not in output


@pytest.mark.slow
def test_more_ranks_than_rows_train_and_validate_alike(
    make_spec: SpecMaker, dataset_of_few_rows: Path
) -> None:
    of_few = {"data": {"directory": str(dataset_of_few_rows)}, "train": {"batch_size": 2}}
    alone, together = make_spec("alone", **of_few), make_spec("together", **of_few)
    run_stage("pipeline.train", together, 3)
    train_here(alone)
    curves = [
        [(point["kind"], point.get("loss")) for point in read_journal(directory.journal_file)]
        for directory in (RunDirectory(alone.run_directory), RunDirectory(together.run_directory))
    ]
    assert len(curves[0]) == 2 * 2 + 2 * 2
    assert [kind for kind, _ in curves[1]] == [kind for kind, _ in curves[0]]
    losses = [[loss for _, loss in curve if loss is not None] for curve in curves]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
