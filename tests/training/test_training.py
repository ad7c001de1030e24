"""What a training refuses, and what a run directory is left with when it ends badly."""

import dataclasses
from pathlib import Path

import pytest
from small_trainings import SpecMaker, train_here

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.training.checkpoints.saver import CheckpointSaver
from pipeline.training.evaluation import evaluate
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.setup import build_predictor, build_training
from pipeline.training.training import check_batch, train


def test_a_split_of_one_class_is_refused_before_training(
    make_spec: SpecMaker, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, manifest = make_spec(), read_manifest(tiny_dataset)
    valid = dataclasses.replace(manifest.splits["valid"], positives={"label": 0})
    one_class = dataclasses.replace(manifest, splits={**manifest.splits, "valid": valid})
    monkeypatch.setattr("pipeline.training.training.read_manifest", lambda _: one_class)
    with start_runtime("cpu") as runtime, pytest.raises(InputError, match="valid split has 0 posi"):
        train(spec, runtime)
    assert not spec.run_directory.exists()


def test_an_epoch_whose_checkpoint_was_not_published_is_finished_again(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, broken = make_spec("unbroken"), make_spec("broken")
    train_here(unbroken)
    monkeypatch.setattr(CheckpointSaver, "_publish", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_here(broken)
    monkeypatch.undo()
    train_here(broken)
    points = [read_journal(RunDirectory(s.run_directory).journal_file) for s in (unbroken, broken)]
    valid = [[point for point in run if point["kind"] == "valid"] for run in points]
    assert valid[0] == valid[1]


def _interrupt(saver: object, pending: object) -> None:
    raise KeyboardInterrupt


def test_a_best_model_that_was_being_replaced_is_put_back(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1})
    train_here(spec)
    best = RunDirectory(spec.run_directory).best
    best.rename(best.with_name("best.replaced"))
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    assert best.is_dir()
    assert not best.with_name("best.replaced").exists()


def test_the_recorded_semantics_are_those_of_the_training(make_spec: SpecMaker) -> None:
    train_here(make_spec(train={"epochs": 1}))
    replicated = make_spec(train={"epochs": 1}, sharding={"type": "data_parallel"})
    with start_runtime("cpu") as runtime:
        evaluate(replicated, runtime)
    text = RunDirectory(replicated.run_directory).metrics_file.read_text()
    assert '"semantics": "sparse"' in text


@pytest.mark.parametrize(
    ("optimizer", "sharding"),
    [("lamb", "auto"), ("adam", "table_wise"), ("rowwise_adagrad", "data_parallel")],
)
def test_a_model_predicts_where_its_optimizer_has_no_step(
    make_spec: SpecMaker, optimizer: str, sharding: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer}, sharding={"type": sharding})
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        module = build_predictor(spec, manifest, runtime).model.module
        moments = module.fused_optimizer.state_dict()["state"].values()
        assert not any(of_table for of_table in moments)


def test_tables_that_do_not_fit_are_refused_in_one_line(make_spec: SpecMaker) -> None:
    spec = make_spec()
    manifest = read_manifest(spec.dataset_directory)
    huge = tuple(dataclasses.replace(field, cardinality=10**11) for field in manifest.fields)
    with start_runtime("cpu") as runtime, pytest.raises(InputError, match="the tables do not fit"):
        build_training(spec, dataclasses.replace(manifest, fields=huge), runtime)


@pytest.mark.parametrize("normalization", ["batch", "synchronized_batch"])
def test_batches_of_one_row_are_refused_where_rows_are_normalised_by_each_other(
    make_spec: SpecMaker, normalization: str
) -> None:
    spec = make_spec(model={"normalization": normalization}, train={"batch_size": 1})
    with pytest.raises(InputError, match=r"batch_size = 1 \(processes: 1\) leaves one row"):
        train_here(spec)


@pytest.mark.parametrize(("size", "normalization"), [(1, "layer"), (2, "batch")])
def test_other_small_batches_are_not(make_spec: SpecMaker, size: int, normalization: str) -> None:
    spec = make_spec(model={"normalization": normalization}, train={"batch_size": size})
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        check_batch(spec, build_training(spec, manifest, runtime).model.module, runtime)


def test_a_training_that_stops_within_its_first_epoch_is_said_to_be_in_it(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    still = {"name": "sgd", "learning_rate": 1e-30}
    spec = make_spec(
        embedding_optimizer=still,
        dense_optimizer=still,
        train={"validate_every": 2, "patience": 1, "log_every": 100},
    )
    train_here(spec)
    assert "trained 4 steps, to epoch 1, at " in capsys.readouterr().out
    record = RunDirectory(spec.run_directory).read_record()
    assert record is not None
    assert record["facts"]["epochs"] == record["facts"]["best_epoch"] == 1
