"""Processes, sharding and storage change where tables are, not what is learnt."""

import json
from typing import Any

import pytest
from small_trainings import SpecMaker, finish, start_torchrun, train_here

from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.evaluation import evaluate
from pipeline.training.journal import read_journal
from pipeline.training.run_directory import RunDirectory


def losses(spec: Spec) -> list[float]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point["loss"] for point in points if point["kind"] == "train"]


def metrics_of(spec: Spec) -> dict[str, Any]:
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    return json.loads(RunDirectory(spec.run_directory).metrics_file.read_text())["test"]


@pytest.mark.parametrize(
    ("optimizer", "sharding", "normalization"),
    [
        ("adagrad", "table_wise", "synchronized_batch"),
        ("sgd", "row_wise", "layer"),
        ("adam", "data_parallel", "synchronized_batch"),
        pytest.param("adagrad", "column_wise", "layer", marks=pytest.mark.slow),
        pytest.param("adagrad", "table_row_wise", "layer", marks=pytest.mark.slow),
        pytest.param("sgd", "auto", "none", marks=pytest.mark.slow),
    ],
)
def test_two_processes_learn_what_one_learns(
    make_spec: SpecMaker, optimizer: str, sharding: str, normalization: str
) -> None:
    sections = {
        "model": {"normalization": normalization},
        "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02},
        "sharding": {"type": sharding},
    }
    one, two = make_spec("one", **sections), make_spec("two", **sections)
    finish(start_torchrun("pipeline.train", two, processes=2))
    train_here(one)
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    assert metrics_of(two) == pytest.approx(metrics_of(one), abs=1e-6)


def test_evaluation_does_not_depend_on_the_number_of_processes(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1}, model={"normalization": "batch"})
    train_here(spec)
    alone = metrics_of(spec)
    RunDirectory(spec.run_directory).metrics_file.unlink()
    finish(start_torchrun("pipeline.evaluate", spec, processes=2))
    together = json.loads(RunDirectory(spec.run_directory).metrics_file.read_text())["test"]
    assert together == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_packed_and_separate_tables_learn_the_same_under_elementwise_optimizers(
    make_spec: SpecMaker, optimizer: str
) -> None:
    sections: dict[str, Any] = {"embedding_optimizer": {"name": optimizer, "learning_rate": 0.02}}
    packed = make_spec("packed", **sections, model={"tables": "packed"})
    separate = make_spec("separate", **sections, model={"tables": "separate"})
    train_here(packed)
    train_here(separate)
    assert losses(separate) == pytest.approx(losses(packed), abs=1e-5)
    assert metrics_of(separate) == pytest.approx(metrics_of(packed), abs=1e-6)
