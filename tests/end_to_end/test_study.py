"""A study of two cells and one that cannot be, through the real chain; then the same again."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDY = """\
title = "Two cells"
directory = "{directory}/out"
bases = {{ generated = "specs/demo.toml" }}
embedding_dim = 4
overrides = [
    "data.source={directory}/train.txt",
    "data.generator.rows=4000",
    "train.epochs=1",
]

[grid]
interactions = ["dnn"]
embeddings = ["single"]
factors = [1, 2]
seeds = [0]

# No process can be started on a device that is not there.
[[variants]]
name = "elsewhere"
overrides = ["train.device=cuda"]
factors = [1]

[launch]
cfg = "log_dir={directory}/torchx"
processes = "1x1"
gpus = [""]
"""


def run(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.study", str(directory / "two.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_study_runs_its_cells_reports_failures_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(STUDY.format(directory=tmp_path))

    first = run(tmp_path)

    assert first.returncode == 1, first.stdout + first.stderr
    assert "3 cells: 0 done, 3 to run" in first.stdout
    assert "generated/dnn-elsewhere-single-1x-seed0: FAILED" in first.stdout
    results = tmp_path / "out/results/two"
    cells = list(csv.DictReader((results / "cells.csv").open()))
    assert [cell["cell"] for cell in cells] == [
        "generated/dnn-single-1x-seed0",
        "generated/dnn-single-2x-seed0",
    ]
    for cell in cells:
        metrics = json.loads((tmp_path / "out" / cell["cell"] / "metrics.json").read_text())
        assert float(cell["auc"]) == metrics["test"]["auc"]
        assert metrics["run"]["name"] == Path(cell["cell"]).name
    assert int(cells[1]["embedding_parameters"]) == 2 * int(cells[0]["embedding_parameters"])
    assert "2 of 3" in (results / "index.html").read_text()

    again = run(tmp_path)

    assert again.returncode == 1
    assert "3 cells: 2 done, 1 to run" in again.stdout
    assert "dnn-single-1x-seed0: started" not in again.stdout
