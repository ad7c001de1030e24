"""A run directory names the scheduler's jobs that worked on it."""

import json

import pytest
from small_trainings import SpecMaker, train_here

from pipeline import evaluate
from pipeline.training.launches import record_launch
from pipeline.training.run_directory import RunDirectory


def launches(directory: RunDirectory) -> list[dict[str, str]]:
    return [json.loads(line) for line in directory.launches_file.read_text().splitlines()]


def test_a_stage_that_works_leaves_its_jobs_name_and_one_that_is_skipped_none(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(train={"epochs": 1})
    path = str(spec.run_directory.with_suffix(".toml"))
    monkeypatch.setenv("TORCHX_JOB_ID", "slurm://torchx/7")
    train_here(spec)
    monkeypatch.setenv("TORCHX_JOB_ID", "slurm://torchx/8")
    evaluate.main([path])
    monkeypatch.setenv("TORCHX_JOB_ID", "slurm://torchx/9")
    train_here(spec)
    evaluate.main([path])
    found = [(one["job"], one["stage"]) for one in launches(RunDirectory(spec.run_directory))]
    assert found == [("slurm://torchx/7", "train"), ("slurm://torchx/8", "evaluate")]


def test_a_job_that_another_started_names_it(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(make_spec().run_directory)
    directory.path.mkdir()
    monkeypatch.setenv("TORCHX_JOB_ID", "local_cwd://torchx/train-a")
    monkeypatch.setenv("TORCHX_PARENT_RUN_ID", "local_cwd://torchx/study-b")
    record_launch(directory, "train")
    assert launches(directory)[0]["parent"] == "local_cwd://torchx/study-b"


def test_a_stage_started_by_hand_leaves_nothing(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(make_spec().run_directory)
    monkeypatch.delenv("TORCHX_JOB_ID", raising=False)
    record_launch(directory, "train")
    assert not directory.launches_file.exists()
