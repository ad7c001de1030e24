"""A whole split's metrics through the pipeline, against predicting it batch by batch."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from sklearn.metrics import roc_auc_score
from small_trainings import SpecMaker, run_stage, train_here

from pipeline.console import InputError
from pipeline.data.manifest import SPLITS, DenseField, Manifest, read_manifest
from pipeline.data.preparation.build import build
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.already_done import is_evaluated
from pipeline.training.evaluation import evaluate
from pipeline.training.prediction import ScoredSplit, check_group_field, score_split
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.setup import build_predictor, scoring_loader

GROUPED = {"group_field": "small", "batch_size": 30}


def scored_test_split(spec: Spec, manifest: Manifest) -> tuple[ScoredSplit, list[np.ndarray]]:
    """The split's metrics, and its logits, labels and groups from the model called directly."""
    with start_runtime("cpu") as runtime:
        predictor = build_predictor(spec, manifest, runtime)
        loader = scoring_loader(spec, manifest, runtime, "test")
        module = predictor.model.module
        scored = score_split("test", module, predictor.pipeline, loader, runtime, spec.evaluate)
        # Once it was in a pipeline, a model cannot be called any more.
        module = build_predictor(spec, manifest, runtime).model.module.eval()
        with torch.no_grad():
            rows = []
            for batch in loader.epoch(0):
                _, found = module(batch)
                groups = batch.features[spec.evaluate.group_field].values()
                rows.append([found.logits[0], found.labels[0], groups])
    return scored, [torch.cat(column).numpy() for column in zip(*rows, strict=True)]


def test_metrics_are_those_of_every_row_with_its_own_group(make_spec: SpecMaker) -> None:
    spec = make_spec(evaluate=GROUPED)
    manifest = read_manifest(spec.dataset_directory)
    scored, (logits, labels, groups) = scored_test_split(spec, manifest)
    found = scored.metrics()
    assert scored.results.rows == len(labels) == manifest.splits["test"].rows
    assert found["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    aucs, weights = [], []
    for group in np.unique(groups[groups > 0]):
        chosen = groups == group
        if 0 < labels[chosen].mean() < 1:
            aucs.append(roc_auc_score(labels[chosen], logits[chosen]))
            weights.append(chosen.sum())
    assert found["gauc"] == pytest.approx(np.average(aucs, weights=weights), abs=1e-12)
    assert found["gauc_groups"] == len(aucs) > 5
    assert scored.results.curve.count.sum() == len(labels)


def test_the_value_0_of_ids_as_given_is_a_group(make_spec: SpecMaker, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    log = pa.table({"label": rng.integers(0, 2, 60), "user": np.arange(60) % 3})
    for name in SPLITS:
        pyarrow.csv.write_csv(log, folder / f"{name}.csv")
    data = {
        "format": "csv",
        "source": str(folder),
        "fields": [{"name": "user", "encoding": "identity", "cardinality": 3}],
        "splits": {name: f"{name}.csv" for name in SPLITS},
    }
    prepared = Spec.model_validate({"run": {"directory": str(folder)}, "data": data})
    build(prepared, {})
    spec = make_spec(
        data={"directory": str(prepared.dataset_directory)},
        model={"interaction": "dnn"},
        evaluate={"group_field": "user"},
    )
    scored, _ = scored_test_split(spec, read_manifest(spec.dataset_directory))
    assert scored.metrics()["gauc_groups"] == 3


def test_gauc_reaches_the_journal_and_metrics_json_from_two_processes_too(
    make_spec: SpecMaker,
) -> None:
    spec = make_spec(evaluate=GROUPED, train={"epochs": 1})
    train_here(spec)
    directory = RunDirectory(spec.run_directory)
    points = read_journal(directory.journal_file)
    (valid,) = [point for point in points if point["kind"] == "valid"]
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    alone = json.loads(directory.metrics_file.read_text())
    assert alone["valid"]["gauc"] == pytest.approx(valid["gauc"], abs=1e-6)
    assert is_evaluated(spec)
    ungrouped = make_spec(train={"epochs": 1})
    assert not is_evaluated(ungrouped)
    fewer_cells = make_spec(evaluate={**GROUPED, "auc_cells": 1024}, train={"epochs": 1})
    assert not is_evaluated(fewer_cells)
    del alone["evaluate"]["auc_cells"]  # As files were before it was noted.
    directory.metrics_file.write_text(json.dumps(alone))
    assert is_evaluated(spec)
    directory.metrics_file.unlink()
    run_stage("pipeline.evaluate", spec, 2)
    together = json.loads(directory.metrics_file.read_text())
    for split in ("valid", "test"):
        assert together[split] == pytest.approx(alone[split], abs=1e-6)
        assert math.isfinite(together[split]["gauc"])


@pytest.mark.parametrize(
    ("field", "found"),
    [("several", "has several values a row"), ("user", "is no field of the dataset")],
)
def test_a_field_that_tells_no_groups_apart_is_refused(
    make_spec: SpecMaker, field: str, found: str
) -> None:
    spec = make_spec(evaluate={"group_field": field})
    with pytest.raises(InputError) as caught:
        check_group_field(spec.evaluate, read_manifest(spec.dataset_directory))
    assert str(caught.value) == (
        f"evaluate.group_field = {field!r} {found}; name one of tiny, small, middle, large, or none"
    )
    with pytest.raises(InputError, match=r"evaluate\.group_field"):
        train_here(spec)
    assert not spec.run_directory.exists()


def test_a_dense_field_tells_no_groups_apart_for_it_has_no_ids(make_spec: SpecMaker) -> None:
    spec = make_spec(evaluate={"group_field": "height"})
    manifest = read_manifest(spec.dataset_directory)
    manifest = dataclasses.replace(manifest, dense=(DenseField("height", 0.0, 1.0),))
    with pytest.raises(InputError, match="'height' is dense and has no ids; name one of tiny, sm"):
        check_group_field(spec.evaluate, manifest)


def test_groups_of_one_class_each_have_no_gauc(make_spec: SpecMaker, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    labels = np.arange(40) % 2
    log = pa.table({"label": labels, "user": labels, "item": np.arange(40) % 3})
    for name in SPLITS:
        pyarrow.csv.write_csv(log, folder / f"{name}.csv")
    data = {
        "format": "csv",
        "source": str(folder),
        "fields": [{"name": "user"}, {"name": "item"}],
        "splits": {name: f"{name}.csv" for name in SPLITS},
    }
    prepared = Spec.model_validate({"run": {"directory": str(folder)}, "data": data})
    build(prepared, {})
    spec = make_spec(
        data={"directory": str(prepared.dataset_directory)}, evaluate={"group_field": "user"}
    )
    with pytest.raises(InputError) as caught:
        scored_test_split(spec, read_manifest(spec.dataset_directory))
    assert str(caught.value) == (
        "test: no value of evaluate.group_field = 'user' has rows of both classes of 'label', so "
        "there is no GAUC; name another field, or none"
    )


def test_log_points_have_the_metrics_of_the_rows_just_trained_on(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1, "log_every": 5}, model={"dropout": 0.0})
    train_here(spec)
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    train = [point for point in points if point["kind"] == "train"]
    assert len(train) == 2
    for point in train:
        # The step's loss is the mean over its rows, and steps are about equally long.
        assert point["logloss"] == pytest.approx(point["loss"], rel=1e-3)
        assert 0 < point["auc"] < 1
        assert point["calibration"] > 0
        assert point["normalized_entropy"] > 0
