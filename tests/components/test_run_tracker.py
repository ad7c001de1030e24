"""TorchX's tracker shows what run directories hold, by the names that TorchX gave their jobs."""

import json
from pathlib import Path

import fsspec
import pytest
from launched_runs import LaunchedRun, torchx

from components.run_record import ARTIFACTS, LAUNCHES, RECORD, SPEC
from components.run_tracker import RunTracker, create
from pipeline.data.manifest import read_manifest
from pipeline.spec_file import load_spec
from pipeline.training.run_directory import RunDirectory

RECORD_OF_A_TRAINING = {"complete": False, "identity": {"dataset": "abc"}, "facts": {}}


def training(directory: Path, *points: str, jobs: tuple[str, ...] = ()) -> Path:
    """A run directory as it is while a training goes on."""
    directory.mkdir(parents=True)
    (directory / "spec.toml").write_text('[run]\nseed = 3\n[data]\ndirectory = ""\n')
    (directory / "training.json").write_text(json.dumps(RECORD_OF_A_TRAINING))
    (directory / "metrics.jsonl").write_text("".join(points))
    launches = [{"job": job, "stage": "train", "began": "2026-01-01T00:00:00"} for job in jobs]
    (directory / "launches.jsonl").write_text("".join(json.dumps(one) + "\n" for one in launches))
    return directory


class TestACommandLine:
    def test_lists_the_run_and_its_jobs(self, launched_run: LaunchedRun) -> None:
        shown = torchx(launched_run.directory, "tracker", "list", "jobs").split()
        jobs = [launched_run.train_job, launched_run.evaluate_job]
        assert shown[-3:] == ["runs/small", *jobs]
        of_run = ["tracker", "list", "jobs", "--parent-run-id", "runs/small"]
        assert torchx(launched_run.directory, *of_run).split()[-2:] == jobs

    def test_lists_the_metadata_of_a_job(self, launched_run: LaunchedRun) -> None:
        words = ["tracker", "list", "metadata", launched_run.train_job]
        shown = torchx(launched_run.directory, *words)
        rows = dict(line.split(maxsplit=1) for line in shown.splitlines() if " " in line.strip())
        metrics = json.loads((launched_run.path / "metrics.json").read_text())
        assert rows["run"] == "runs/small"
        assert rows["state"] == "evaluated"
        assert float(rows["test.auc"]) == pytest.approx(metrics["test"]["auc"], abs=1e-5)
        spec = load_spec(launched_run.path / "spec.toml", [])
        assert rows["dataset.digest"] == read_manifest(spec.dataset_directory).digest
        assert rows["spec.model.sets"] == "2"
        assert rows["job.evaluate"] == launched_run.evaluate_job

    def test_lists_the_artifacts_of_a_run(self, launched_run: LaunchedRun) -> None:
        shown = torchx(launched_run.directory, "tracker", "list", "artifacts", "runs/small")
        paths = [word for word in shown.split() if word.startswith("runs/small/")]
        assert {"runs/small/best", "runs/small/report/index.html"} <= set(paths)
        assert all((launched_run.directory / path).exists() for path in paths)


class TestATracker:
    def test_shows_the_latest_figures_of_a_training_under_way(self, tmp_path: Path) -> None:
        points = [
            '{"kind": "train", "step": 20, "loss": 0.6}\n',
            '{"kind": "train", "step": 40, "loss": 0.5}\n',
            '{"kind": "train", "st',
        ]
        run = training(tmp_path / "a", *points)
        shown = create(str(tmp_path)).metadata(str(run))
        assert (shown["state"], shown["dataset.digest"]) == ("training", "abc")
        assert (shown["latest.train.step"], shown["latest.train.loss"]) == (40, 0.5)
        assert shown["spec.run.seed"] == 3

    def test_shows_an_evaluated_single_embedding_which_has_no_diversity(
        self, tmp_path: Path
    ) -> None:
        run = training(tmp_path / "a")
        metrics = {
            "test": {"auc": 0.75},
            "model": {"parameters": {"dense": 7}},
            "collapse": {"information_abundance": {"mean": 3.5}},
        }
        (run / "metrics.json").write_text(json.dumps(metrics))
        shown = create(str(tmp_path)).metadata(str(run))
        assert (shown["test.auc"], shown["information_abundance.mean"]) == (0.75, 3.5)
        assert "diversity.mean" not in shown

    def test_finds_runs_at_any_depth_but_not_inside_another(self, tmp_path: Path) -> None:
        runs = [training(tmp_path / "b"), training(tmp_path / "studies" / "s" / "a")]
        training(tmp_path / "b" / "dataset")
        training(tmp_path / ".torchx")
        assert list(create(f"{tmp_path}/").run_ids()) == [str(run) for run in runs]

    def test_names_a_requeued_job_once(self, tmp_path: Path) -> None:
        run = training(tmp_path / "a", jobs=("slurm://torchx/7", "slurm://torchx/7"))
        assert list(create(str(tmp_path)).run_ids()) == [str(run), "slurm://torchx/7"]

    def test_lists_the_jobs_of_a_run_by_its_directory_with_a_slash(self, tmp_path: Path) -> None:
        run = training(tmp_path / "a", jobs=("slurm://torchx/7",))
        assert list(create(str(tmp_path)).run_ids(f"{run}/")) == ["slurm://torchx/7"]

    def test_writes_nothing_to_list_runs(self, tmp_path: Path) -> None:
        run = training(tmp_path / "a")
        assert list(create(str(tmp_path)).run_ids()) == [str(run)]
        assert list(create(f"{tmp_path}/none").run_ids()) == []
        assert list(tmp_path.iterdir()) == [run]

    def test_of_a_job_the_run_is_its_source(self, tmp_path: Path) -> None:
        run = training(tmp_path / "a", jobs=("slurm://torchx/7",))
        (source,) = create(str(tmp_path)).sources("slurm://torchx/7")
        assert source.source_run_id == str(run)

    def test_knows_nothing_of_other_jobs(self, tmp_path: Path) -> None:
        training(tmp_path / "a")
        tracker = create(str(tmp_path))
        assert tracker.metadata("slurm://torchx/8") == tracker.artifacts("slurm://torchx/8") == {}

    def test_keeps_what_a_program_adds(self, tmp_path: Path) -> None:
        training(tmp_path / "a", jobs=("slurm://torchx/7",))
        create(str(tmp_path)).add_metadata("slurm://torchx/7", note="warm")
        create(str(tmp_path)).add_artifact("slurm://torchx/7", "scores", "s3://bucket/scores")
        shown = create(str(tmp_path))
        assert shown.metadata("slurm://torchx/7")["note"] == "warm"
        assert shown.metadata("slurm://torchx/7")["spec.run.seed"] == 3
        assert shown.artifacts("slurm://torchx/7")["scores"].path == "s3://bucket/scores"

    def test_reads_runs_at_a_url(self, tmp_path: Path) -> None:
        memory = fsspec.filesystem("memory")
        memory.put(str(training(tmp_path / "a")), "/bucket/a", recursive=True)
        tracker = RunTracker("memory://bucket")
        assert list(tracker.run_ids()) == ["memory://bucket/a"]
        assert tracker.metadata("memory://bucket/a")["spec.run.seed"] == 3
        assert tracker.artifacts("memory://bucket/a")["spec"].path == "memory://bucket/a/spec.toml"

    def test_needs_a_directory(self) -> None:
        with pytest.raises(ValueError, match=r"\[tracker:runs\] needs config = "):
            create(None)


def test_the_files_are_those_of_a_run_directory(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    here = {str(path.relative_to(tmp_path)) for path in vars(run).values() if path != tmp_path}
    assert here == {SPEC, RECORD, LAUNCHES, "plan.json", *ARTIFACTS.values()}
