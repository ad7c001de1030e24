"""The launch of cells, with a chain of a few lines in the working directory."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from study_cases import StudyMaker

from pipeline.spec_study import LaunchSpec, StudySpec
from pipeline.study.cells import cells_of
from pipeline.study.launching import Failure, prepare, run_cells, standing_of
from pipeline.study.results import Result

# Notes its arguments and times. Fails for seed 1 where FAIL says so, and waits where WAIT does.
CHAIN = """
import json, os, sys, time
from pathlib import Path
given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
name = "prepare" if "--only" in sys.argv else Path(given["run.directory"]).name
Path("notes").mkdir(exist_ok=True)
Path(f"notes/{name}.pid").write_text(str(os.getpid()))
began = time.monotonic()
print("line one")
if os.environ.get("FAIL") == given["run.seed"] or os.environ.get("FAIL") == name:
    print("error: the disk is full", file=sys.stderr)
    sys.exit(1)
time.sleep(float(os.environ.get("WAIT", 0.3)))
figures = {"auc": 0.75, "logloss": 0.5}
metrics = {
    "test": figures, "valid": figures,
    "collapse": {"information_abundance": {"mean": 2.0}},
    "model": {"parameters": {"embedding": 10, "dense": 5}},
    "train": {"samples_per_second": 9.0, "seconds": 1.0, "epochs": 1, "best_epoch": 1},
    "embedding_optimizer": {"semantics": "dense"},
}
Path(given["run.directory"]).mkdir(parents=True, exist_ok=True)
(Path(given["run.directory"]) / "metrics.json").write_text(json.dumps(metrics))
note = {
    "arguments": sys.argv[1:], "began": began, "ended": time.monotonic(),
    "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
}
Path(f"notes/{name}.json").write_text(json.dumps(note))
"""


@pytest.fixture
def study(make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySpec:
    """A study of six cells, in a working directory whose chain is the one above."""
    package = tmp_path / "components"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "chain.py").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return make_study()


def ignore(line: str) -> None:
    """What happens, told to nobody."""


def note(name: str) -> dict[str, object]:
    return json.loads(Path(f"notes/{name}.json").read_text())


def test_each_cell_is_a_chain_with_its_overrides_and_a_log(study: StudySpec) -> None:
    launch = LaunchSpec(scheduler="slurm", cfg="partition=gpu", processes="2x8")
    cells = cells_of(study)
    assert [outcome.cell for outcome in run_cells(cells, launch, ignore)] == list(cells)
    for cell in cells:
        arguments = note(cell.directory.name)["arguments"]
        assert arguments == [
            *["--spec", str(cell.spec_file), "--scheduler", "slurm"],
            *["--cfg", "partition=gpu", "-j", "2x8", "--", *cell.overrides],
        ]
        log = cell.directory.parent / "logs" / f"{cell.directory.name}.log"
        assert log.read_text() == "line one\n"


def test_as_many_cells_run_at_the_same_time_as_are_asked_for(study: StudySpec) -> None:
    launch = LaunchSpec(cells_at_once=2, gpus=("0,1", "2,3"))
    cells = cells_of(study)
    assert len(list(run_cells(cells, launch, ignore))) == 6
    notes = [note(cell.directory.name) for cell in cells]
    assert {one["gpus"] for one in notes} == {"0,1", "2,3"}
    for at in (one["began"] for one in notes):
        assert sum(one["began"] <= at < one["ended"] for one in notes) <= 2
    spans = {gpus: [one for one in notes if one["gpus"] == gpus] for gpus in launch.gpus}
    for own in spans.values():
        ordered = sorted((one["began"], one["ended"]) for one in own)
        for (_, ended), (began, _) in pairwise(ordered):
            assert ended <= began


def test_a_failed_cell_is_reported_with_its_logs_end_and_the_others_go_on(
    study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    said: list[str] = []
    outcomes = list(run_cells(cells_of(study), LaunchSpec(), said.append))
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [failure.cell.seed for failure in failures] == [1, 1, 1]
    assert failures[0].lines == ("line one", "error: the disk is full")
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    assert [(result.cell.seed, result.auc) for result in results] == [(0, 0.75)] * 3
    assert any("FAILED" in line and "    error: the disk is full" in line for line in said)


def test_the_dataset_is_prepared_once_and_without_it_no_cell_can_run(
    study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of(study)
    assert prepare(cells, LaunchSpec(), ignore) == []
    assert "--only prepare --" in " ".join(note("prepare")["arguments"])  # type: ignore[arg-type]
    monkeypatch.setenv("FAIL", "prepare")
    assert [failure.cell for failure in prepare(cells, LaunchSpec(), ignore)] == list(cells)


def test_a_cell_without_a_dataset_stands_as_failed_with_the_reason(study: StudySpec) -> None:
    cells = cells_of(study)
    standing = standing_of(cells)
    assert (standing.finished, standing.waiting) == ((), ())
    assert [failure.cell for failure in standing.failed] == list(cells)
    assert str(cells[0].dataset) in standing.failed[0].lines[0]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_study_leaves_no_cell_at_work(
    study: StudySpec, tmp_path: Path, name: str
) -> None:
    spec = tmp_path / "study.toml"
    bases = f'bases = {{ clicks = "{study.bases["clicks"]}" }}'
    grid = '[grid]\ninteractions = ["dnn"]\nfactors = [1]'
    spec.write_text(f'title = "A"\ndirectory = "studies"\n{bases}\n{grid}\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.study", str(spec)],
        env={**os.environ, "WAIT": "60", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    pid_file, limit = Path("notes/prepare.pid"), time.monotonic() + 120
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < limit:
        time.sleep(0.1)
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.Signals[name]
    assert b"the same command goes on" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
