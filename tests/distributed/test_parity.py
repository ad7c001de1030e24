"""Processes, sharding and storage change where tables are, not what is learnt."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from small_trainings import (
    SpecMaker,
    losses,
    run_stage,
    run_together,
    train_here,
)

from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.evaluation import evaluate
from pipeline.training.run_directory import RunDirectory

# Loss curves and metrics, in float32 with the same global batches.
CURVE, METRIC = 1e-4, 1e-5
Sections = dict[str, Any]


def metrics_written(spec: Spec) -> dict[str, Any]:
    return json.loads(RunDirectory(spec.run_directory).metrics_file.read_text())["test"]


def metrics_of(spec: Spec) -> dict[str, Any]:
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    return metrics_written(spec)


def apart(specs: Mapping[str, Spec], alone: Callable[[str], Spec]) -> dict[str, str]:
    """The trainings that learnt something else than the one alone, with what."""
    found = {}
    for name, spec in specs.items():
        if losses(spec) != pytest.approx(losses(alone(name)), abs=CURVE):
            found[name] = "loss curve"
        elif metrics_written(spec) != pytest.approx(metrics_written(alone(name)), abs=METRIC):
            found[name] = "metrics"
    return found


def trained_alone(spec: Spec) -> Spec:
    train_here(spec)
    metrics_of(spec)
    return spec


def sections(optimizer: str, sharding: Any, normalization: str, tables: str) -> Sections:
    return {
        "model": {"normalization": normalization, "tables": tables},
        "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02},
        "sharding": sharding if isinstance(sharding, dict) else {"type": sharding},
    }


def test_two_processes_learn_what_one_learns(make_spec: SpecMaker) -> None:
    mixed = [
        {"max_rows": 20, "type": ["data_parallel"]},
        {"tables": "large*", "type": ["row_wise"]},
    ]
    cases = {
        "table_wise": sections("adagrad", "table_wise", "synchronized_batch", "packed"),
        "row_wise": sections("sgd", "row_wise", "layer", "separate"),
        "data_parallel": sections("adam", "data_parallel", "synchronized_batch", "packed"),
        "by rules": sections("adagrad", {"type": "table_wise", "rules": mixed}, "layer", "packed"),
    }
    two = {name: make_spec(f"two {name}", **case) for name, case in cases.items()}
    run_together(two, processes=2, node_ranks=2)
    one = {name: make_spec(f"one {name}", **case) for name, case in cases.items()}
    assert apart(two, lambda name: trained_alone(one[name])) == {}


TYPES = ("table_wise", "column_wise", "row_wise", "table_row_wise", "data_parallel")
GRID = {
    f"{sharding} {tables}": sections("adagrad", sharding, "synchronized_batch", tables)
    for sharding in TYPES
    for tables in ("packed", "separate")
}
# What cuts a table over the ranks of a node and over nodes. TorchRec averages bags wrongly under
# grid, and "several" is a field whose bags are averaged.
NODES = {
    "table_column_wise": sections("adagrad", "table_column_wise", "synchronized_batch", "packed"),
    "grid": sections(
        "adagrad",
        {"type": "grid", "rules": [{"tables": "several*", "type": ["row_wise"]}]},
        "synchronized_batch",
        "packed",
    ),
    "auto": sections("adagrad", "auto", "synchronized_batch", "packed"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "node_ranks"), [(1, 1), (2, 2), (4, 2)])
def test_every_sharding_and_storage_learns_the_same_on_any_number_of_processes(
    make_spec: SpecMaker, processes: int, node_ranks: int
) -> None:
    cases = {**GRID, **(NODES if processes == 4 else {})}
    specs = {name: make_spec(f"{processes} {name}", **case) for name, case in cases.items()}
    run_together(specs, processes, node_ranks)
    alone = trained_alone(make_spec("alone", **GRID["table_wise packed"]))
    assert apart(specs, lambda name: alone) == {}


@pytest.mark.slow
def test_half_precision_between_ranks_is_close_and_not_equal(make_spec: SpecMaker) -> None:
    """fp16 has 11 bits: embeddings are off by up to 2^-11 of their size, 5e-4."""
    cases = {
        f"{sharding} {precision}": {"type": sharding, "communication": precision}
        for sharding in ("table_wise", "row_wise")
        for precision in ("fp32", "fp16")
    }
    specs = {
        name: make_spec(name, sharding=case, train={"epochs": 1}) for name, case in cases.items()
    }
    run_together(specs, processes=2, node_ranks=2)
    for sharding in ("table_wise", "row_wise"):
        exact, rounded = losses(specs[f"{sharding} fp32"]), losses(specs[f"{sharding} fp16"])
        assert rounded != pytest.approx(exact, abs=1e-8)
        assert rounded == pytest.approx(exact, abs=5e-4)


@pytest.mark.slow
def test_a_resumed_training_follows_the_plan_that_its_run_has_stored(make_spec: SpecMaker) -> None:
    """A plan that the planner would not make: every table on the second rank."""
    spec = make_spec(sharding={"type": "table_wise"}, train={"epochs": 1})
    run_stage("pipeline.train", spec, 2)
    directory = RunDirectory(spec.run_directory)
    stored = directory.plan_record_file.read_text()
    moved = json.loads(stored)
    for record in moved["modules"]["model.embedding_sets.collection"].values():
        record["ranks"] = [1]
        record["shards"][0]["rank"] = 1
    directory.plan_record_file.write_text(json.dumps(moved))
    record = json.loads(directory.record_file.read_text())
    directory.record_file.write_text(json.dumps({**record, "complete": False}))
    run_stage("pipeline.train", spec, 2)
    assert json.loads(directory.plan_record_file.read_text()) == moved != json.loads(stored)


def test_evaluation_does_not_depend_on_the_number_of_processes(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1}, model={"normalization": "batch"})
    train_here(spec)
    alone = metrics_of(spec)
    RunDirectory(spec.run_directory).metrics_file.unlink()
    run_stage("pipeline.evaluate", spec, 2)
    assert metrics_written(spec) == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_packed_and_separate_tables_learn_the_same_under_elementwise_optimizers(
    make_spec: SpecMaker, optimizer: str
) -> None:
    settings: Sections = {"embedding_optimizer": {"name": optimizer, "learning_rate": 0.02}}
    packed = make_spec("packed", **settings, model={"tables": "packed"})
    separate = make_spec("separate", **settings, model={"tables": "separate"})
    train_here(packed)
    train_here(separate)
    assert losses(separate) == pytest.approx(losses(packed), abs=1e-5)
    assert metrics_of(separate) == pytest.approx(metrics_of(packed), abs=1e-6)
