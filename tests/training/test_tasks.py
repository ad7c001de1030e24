"""Several labels end to end: trained, validated and evaluated by task."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from small_trainings import SpecMaker, run_stage, train_here

from pipeline.console import InputError
from pipeline.data.manifest import SPLITS, read_manifest
from pipeline.data.preparation.build import build
from pipeline.distributed.runtime import start_runtime
from pipeline.metrics.auc import auc
from pipeline.model.tables import Table, layout_tables, table_groups
from pipeline.spec import Spec
from pipeline.training.checkpoints.rows import read_table
from pipeline.training.evaluation import evaluate
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.setup import scoring_loader
from pipeline.training.tasks import task_labels

SPLIT_ROWS = {"train": 1_500, "valid": 300, "test": 300}
TASKS = [{"label": "click"}, {"label": "buy", "weight": 0.5}]
OWNED = [
    {"interaction": "dnn", "sets": 1, "embedding_dim": 4, "task": "click"},
    {"interaction": "dnn", "sets": 1, "embedding_dim": 4, "task": "buy"},
]


def _log(rng: np.random.Generator, rows: int, buy_seed: int) -> pa.Table:
    """Clicks depend on the user, purchases on the item, and few buy."""
    user, item = rng.integers(0, 20, rows), rng.integers(0, 30, rows)
    click = rng.random(rows) < np.where(user % 2, 0.75, 0.25)
    chance = np.random.default_rng(buy_seed).random(rows)
    buy = chance < np.where(item % 3 == 0, 0.45, 0.05)
    columns = {"user": user, "item": item, "click": click, "buy": buy}
    return pa.table({name: values.astype(np.int8) for name, values in columns.items()})


def _prepared(folder: Path, buy_seed: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place, name in enumerate(SPLITS):
        log = _log(rng, SPLIT_ROWS[name], buy_seed + place)
        pyarrow.csv.write_csv(log, folder / f"{name}.csv")
    data = {
        "format": "csv",
        "source": str(folder),
        "label": ["click", "buy"],
        "fields": [{"name": "user"}, {"name": "item"}],
        "splits": {name: f"{name}.csv" for name in SPLITS},
    }
    spec = Spec.model_validate({"run": {"directory": str(folder)}, "data": data})
    build(spec, {})
    return spec.dataset_directory


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two datasets that differ in who buys, and in nothing else."""
    folder = tmp_path_factory.mktemp("tasks")
    return [_prepared(folder / str(seed), seed) for seed in (100, 200)]


@pytest.fixture
def make_tasks_spec(make_spec: SpecMaker, datasets: list[Path]) -> SpecMaker:
    """Builds the spec of a small model with tasks; ``data`` may name the other dataset."""

    def make(name: str = "run", **sections: dict[str, Any]) -> Spec:
        data = {"directory": str(datasets[0]), **sections.pop("data", {})}
        return make_spec(name, data=data, **sections)

    return make


def valid_points(spec: Spec) -> list[dict[str, Any]]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point for point in points if point["kind"] == "valid"]


def metrics_of(spec: Spec) -> dict[str, Any]:
    return json.loads(RunDirectory(spec.run_directory).metrics_file.read_text())


def test_two_tasks_train_on_two_processes_and_are_evaluated_by_task(
    make_tasks_spec: SpecMaker,
) -> None:
    model = {"tasks": TASKS, "head": "gate", "gate": {"embedding_dim": 4}}
    spec = make_tasks_spec(model=model, train={"epochs": 3})
    run_stage("pipeline.train", spec, 2)
    run_stage("pipeline.evaluate", spec, 2)
    metrics = metrics_of(spec)
    # The true probabilities have about 0.75 each.
    assert metrics["test"]["tasks"]["click"]["auc"] > 0.65
    assert metrics["test"]["tasks"]["buy"]["auc"] > 0.65
    assert metrics["model"]["task_weights"] == {"click": 1.0, "buy": 0.5}
    assert list(metrics["gate"]) == ["click", "buy"]
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    alone = metrics_of(spec)
    for label in ("click", "buy"):
        expected = alone["test"]["tasks"][label]
        assert metrics["test"]["tasks"][label] == pytest.approx(expected, abs=1e-6)
        for measure in ("weight", "load"):
            expected = alone["gate"][label][measure]
            assert metrics["gate"][label][measure] == pytest.approx(expected, abs=1e-6)
    page = RunDirectory(spec.run_directory).report_file.read_text()
    assert "Metrics by task" in page
    assert f"{metrics['test']['tasks']['buy']['auc']:.4f}" in page


@pytest.mark.parametrize("first", ["click", "buy"])
def test_the_first_task_is_the_main_one(
    make_tasks_spec: SpecMaker, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = sorted(TASKS, key=lambda task: task["label"] != first)
    spec = make_tasks_spec(model={"tasks": tasks})
    train_here(spec)
    points = valid_points(spec)
    for point in points:
        assert next(iter(point["tasks"])) == first
        assert {key: point[key] for key in point["tasks"][first]} == point["tasks"][first]
        losses = {label: figures["logloss"] for label, figures in point["tasks"].items()}
        assert point["loss"] == pytest.approx(losses["click"] + 0.5 * losses["buy"])
    best = max(range(len(points)), key=lambda place: points[place]["auc"]) + 1
    assert f"best is epoch {best}" in capsys.readouterr().out


def test_metrics_are_those_of_the_labels_of_their_task(make_tasks_spec: SpecMaker) -> None:
    spec = make_tasks_spec(model={"tasks": TASKS})
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        loader = scoring_loader(spec, manifest, runtime, "test")
        labels = torch.cat([batch.labels for batch in loader.epoch(0)], dim=1).numpy()
    assert loader.labels == ("click", "buy")
    log = pyarrow.csv.read_csv(spec.dataset_directory.parent / "test.csv")
    assert labels[0].tolist() == log["click"].to_pylist()
    assert labels[1].tolist() == log["buy"].to_pylist()
    # Each label is told by its own field.
    assert auc(labels[0], log["user"].to_numpy() % 2) > 0.65
    assert auc(labels[1], (log["item"].to_numpy() % 3 == 0).astype(float)) > 0.65


def test_one_task_has_no_metrics_by_task(make_tasks_spec: SpecMaker) -> None:
    spec = make_tasks_spec(model={"tasks": [{"label": "buy"}]}, train={"epochs": 1})
    train_here(spec)
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    assert "tasks" not in metrics_of(spec)["test"]
    assert "tasks" not in valid_points(spec)[0]
    assert metrics_of(spec)["model"]["task_weights"] == {"buy": 1.0}


class TestTaskLabels:
    def test_are_the_datasets_first_where_no_task_is_named(
        self, make_tasks_spec: SpecMaker, datasets: list[Path]
    ) -> None:
        manifest = read_manifest(datasets[0])
        assert task_labels(make_tasks_spec().model, manifest) == ("click",)
        weighed = make_tasks_spec(model={"tasks": [{"weight": 2.0}]})
        assert task_labels(weighed.model, manifest) == ("click",)
        both = make_tasks_spec(model={"tasks": TASKS[::-1]})
        assert task_labels(both.model, manifest) == ("buy", "click")

    def test_that_the_dataset_has_not_are_refused_with_those_it_has(
        self, make_tasks_spec: SpecMaker
    ) -> None:
        spec = make_tasks_spec(model={"tasks": [{"label": "click"}, {"label": "bought"}]})
        with pytest.raises(InputError) as caught:
            train_here(spec)
        assert str(caught.value) == (
            "model.tasks.1.label: the dataset has no label 'bought'; it has click, buy"
        )
        assert not spec.run_directory.exists()

    def test_are_each_one_tasks(self, make_tasks_spec: SpecMaker, datasets: list[Path]) -> None:
        spec = make_tasks_spec(model={"tasks": [{}, {"label": "click"}]})
        with pytest.raises(InputError, match=r"model\.tasks\.1\.label: 'click' is another task's"):
            task_labels(spec.model, read_manifest(datasets[0]))


def final_tables(spec: Spec) -> dict[str, tuple[Table, torch.Tensor]]:
    fields = read_manifest(spec.dataset_directory).fields
    groups = table_groups(len(fields), spec.model)
    best = RunDirectory(spec.run_directory).best
    return {
        table.name: (table, read_table(best, table))
        for table in layout_tables(fields, groups, spec.model.tables)
    }


@pytest.mark.parametrize("head", ["mean", "gate"])
def test_other_labels_of_one_task_do_not_move_what_another_task_owns(
    make_tasks_spec: SpecMaker, datasets: list[Path], head: str
) -> None:
    """After one step: later the other experts, which are read, have other values."""
    sections: dict[str, Any] = {
        "model": {"groups": OWNED, "tasks": TASKS, "head": head},
        "train": {"epochs": 1, "batch_size": 2048},
    }
    found = []
    for place, dataset in enumerate(datasets):
        spec = make_tasks_spec(str(place), data={"directory": str(dataset)}, **sections)
        train_here(spec)
        found.append(final_tables(spec))
    for name, (table, weights) in found[0].items():
        same = torch.equal(weights, found[1][name][1])
        assert same == (table.group == 0), name
