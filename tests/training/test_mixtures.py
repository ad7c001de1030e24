"""Mixtures with shared sets and gates of their own: trained, sharded, saved and restored."""

import json
import math
from typing import Any

import pytest
import torch
from small_trainings import SpecMaker, losses, run_stage, train_here

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.model.initialization import TableInitializer
from pipeline.model.tables import Table, layout_tables, table_groups
from pipeline.spec import Spec
from pipeline.training.checkpoints.rows import read_table
from pipeline.training.evaluation import evaluate
from pipeline.training.run_directory import RunDirectory, read_journal

# Two sets of 6 columns, read by two interactions; one set of 8; and the gates' own embeddings.
MIXTURE: dict[str, Any] = {
    "groups": [
        {"interaction": "dcnv2", "sets": 2, "embedding_dim": 6},
        {"interaction": "dnn", "shares": 0},
        {"interaction": "dnn", "sets": 1, "embedding_dim": 8},
    ],
    "head": "gate",
    "gate": {"embedding_dim": 3},
}


@pytest.fixture
def make_mixture(make_spec: SpecMaker) -> SpecMaker:
    """Builds the spec of a mixture on the tiny dataset."""

    def make(name: str = "run", **sections: dict[str, Any]) -> Spec:
        model = {**MIXTURE, **sections.pop("model", {})}
        return make_spec(name, model=model, **sections)

    return make


def tables_of(spec: Spec) -> tuple[Table, ...]:
    fields = read_manifest(spec.dataset_directory).fields
    return layout_tables(fields, table_groups(len(fields), spec.model), spec.model.tables)


def evaluated(spec: Spec) -> dict[str, Any]:
    with start_runtime("cpu") as runtime:
        evaluate(spec, runtime)
    return json.loads(RunDirectory(spec.run_directory).metrics_file.read_text())


@pytest.mark.parametrize(("head", "kept"), [("gate", {}), ("sparse_gate", {"top_k": 3})])
def test_packed_and_separate_tables_of_a_mixture_learn_the_same(
    make_mixture: SpecMaker, head: str, kept: dict[str, int]
) -> None:
    gate = {"head": head, "gate": {"embedding_dim": 3, **kept}}
    packed, separate = (
        make_mixture(t, model={"tables": t, **gate}) for t in ("packed", "separate")
    )
    train_here(packed)
    train_here(separate)
    assert losses(separate) == pytest.approx(losses(packed), abs=1e-5)
    both = [evaluated(spec) for spec in (packed, separate)]
    assert both[0]["test"] == pytest.approx(both[1]["test"], abs=1e-6)
    assert both[0]["model"]["parameters"] == both[1]["model"]["parameters"]


@pytest.mark.parametrize(
    "sharding", ["row_wise", pytest.param("column_wise", marks=pytest.mark.slow)]
)
def test_two_processes_learn_a_mixture_as_one_does(make_mixture: SpecMaker, sharding: str) -> None:
    one, two = (make_mixture(name, sharding={"type": sharding}) for name in ("one", "two"))
    run_stage("pipeline.train", two, 2)
    train_here(one)
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    # Two processes wrote the checkpoint, one reads it.
    assert evaluated(two)["test"] == pytest.approx(evaluated(one)["test"], abs=1e-6)


def test_gates_own_embeddings_are_initialised_trained_and_saved(make_mixture: SpecMaker) -> None:
    spec = make_mixture(train={"epochs": 1})
    train_here(spec)
    total = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    initializer = TableInitializer(spec.model, total, spec.run.seed)
    of_gates = [table for table in tables_of(spec) if table.of_gates]
    assert len(of_gates) == 5
    for table in of_gates:
        start = initializer.rows(table, 0, table.rows)[:, : table.columns]
        saved = read_table(RunDirectory(spec.run_directory).best, table)
        assert saved.shape == (table.rows, 3)
        # Adagrad moves the rows that it has seen; some ids are in other splits alone.
        moved = (saved != start).any(dim=1)
        assert moved.float().mean() > 0.75
        assert not moved[0]
        assert torch.isfinite(saved).all()


def test_gates_own_embeddings_are_no_set_in_the_measures_of_collapse(
    make_mixture: SpecMaker,
) -> None:
    spec = make_mixture(train={"epochs": 1})
    train_here(spec)
    metrics = evaluated(spec)
    assert metrics["model"]["sets"] == 3
    assert metrics["model"]["embedding_dim"] is None
    assert metrics["model"]["interaction"] == ("dcnv2 2 x 6 + dnn on the sets of g0 + dnn 1 x 8")
    abundance = metrics["collapse"]["information_abundance"]["fields"]["large"]
    assert len(abundance["sets"]) == 3
    # 2 x 6 + 8 columns; with the gates' 3 more it could be 23.
    data = json.loads((spec.run_directory / "report" / "collapse.json").read_text())
    assert {len(field["together"]["singular_values"]) for field in data} == {20}


def test_gates_are_logged_in_training_and_evaluation(make_mixture: SpecMaker) -> None:
    spec = make_mixture(train={"epochs": 1, "log_every": 6}, model={"head": "sparse_gate"})
    train_here(spec)
    directory = RunDirectory(spec.run_directory)
    points = [point for point in read_journal(directory.journal_file) if point["kind"] == "gate"]
    assert [point["step"] for point in points] == [6, 12]
    experts = ["g0 dcnv2 s0", "g0 dcnv2 s1", "g1 dnn s0", "g1 dnn s1", "g2 dnn s0"]
    (in_evaluation,) = evaluated(spec)["gate"].values()
    for figures in (*(point["tasks"]["label"] for point in points), in_evaluation):
        assert list(figures["weight"]) == list(figures["load"]) == experts
        assert sum(figures["weight"].values()) == pytest.approx(1)
        # Two of five are kept.
        assert sum(figures["load"].values()) == pytest.approx(2)
        assert 0 < figures["entropy"] <= math.log(2) / math.log(5) + 1e-9
    page = directory.report_file.read_text()
    assert "Which experts count?" in page
    assert f"{in_evaluation['weight']['g1 dnn s1']:.3f}" in page
