"""The main job on a small log: prepare, train on two processes, evaluate, compare, all for real."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def chain(directory: Path) -> subprocess.CompletedProcess[str]:
    """The demo's spec on few rows, everything under one temporary directory."""
    return command(
        "components.chain",
        "--spec",
        "specs/demo.toml",
        "--scheduler",
        "local_cwd",
        "--cfg",
        f"log_dir={directory / 'logs'}",
        "--",
        f"run.directory={directory / 'run'}",
        f"data.source={directory / 'train.txt'}",
        "data.generator.rows=6000",
        "train.epochs=1",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("chain")
    result = chain(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory, result.stdout


@pytest.fixture(scope="module")
def metrics(finished: tuple[Path, str]) -> dict[str, Any]:
    return json.loads((finished[0] / "run" / "metrics.json").read_text())


def test_the_metrics_have_what_scripts_read(metrics: dict[str, Any]) -> None:
    assert {"auc", "logloss", "normalized_entropy", "calibration", "rows"} <= metrics["test"].keys()
    assert metrics["train"]["samples_per_second"] > 0
    assert 0.5 < metrics["oracle"]["auc"] < 1


def test_the_metrics_say_what_to_change_and_which_planted_patterns_were_found(
    metrics: dict[str, Any],
) -> None:
    assert metrics["recommendation"].keys() == {"advice", "reason"}
    planted = metrics["planted"]
    assert [len(pattern["pairs"]) for pattern in planted["patterns"]] == [2, 2]
    assert all(0 <= pattern["auc"] <= 1 for pattern in planted["patterns"])
    assert 0 <= planted["specialisation"] <= 1


def test_every_test_row_is_scored(metrics: dict[str, Any]) -> None:
    assert metrics["test"]["rows"] == metrics["data"]["rows"]["test"]
    assert sum(metrics["data"]["rows"].values()) == 6000


def test_information_abundance_is_there_by_field_and_set(metrics: dict[str, Any]) -> None:
    fields = metrics["collapse"]["information_abundance"]["fields"]
    assert len(fields) == 39
    assert all(len(field["sets"]) == 4 for field in fields.values())
    assert all(1 <= field["all"] <= 32 for field in fields.values())


def test_what_sub_embeddings_owe_to_the_fields_they_meet_is_there_by_group(
    metrics: dict[str, Any],
) -> None:
    ((group, correlation),) = metrics["collapse"]["sub_embedding_correlation"].items()
    assert group == "4 x 8 dcnv2"
    assert -1 <= correlation <= 1


def test_the_run_directory_is_complete(finished: tuple[Path, str]) -> None:
    run = finished[0] / "run"
    for name in ("spec.toml", "plan.txt", "metrics.jsonl", "best", "report/index.html"):
        assert (run / name).exists(), name
    assert list((run / "tensorboard").glob("events.*"))


def test_a_second_chain_skips_every_stage(finished: tuple[Path, str]) -> None:
    result = chain(finished[0])
    assert result.returncode == 0
    for said in ("unchanged, skipped", "trained already", "evaluated already"):
        assert result.stdout.count(said) == 1, said


def test_compare_prints_the_run(finished: tuple[Path, str], metrics: dict[str, Any]) -> None:
    result = command("pipeline.compare", finished[0] / "run")
    assert result.returncode == 0
    assert f"{metrics['test']['auc']:.4f}" in result.stdout


def test_a_wrong_key_stops_the_chain_in_one_line(tmp_path: Path) -> None:
    launch = ["components.chain", "--spec", "specs/demo.toml", "--scheduler", "local_cwd"]
    result = command(*launch, "--cfg", f"log_dir={tmp_path}", "--", "model.set=2")
    assert result.returncode == 2
    assert "model.set: unknown key; did you mean 'sets'?" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr + result.stdout
