"""Gates, shared sets and owned groups within the whole model."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.manifest import Field
from pipeline.model.dense_part import DensePart, Output
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.tables import table_groups
from pipeline.spec_model import ModelSpec

RandomFeatures = Callable[[Sequence[Field], int], KeyedJaggedTensor]

FIELDS = (Field("user", "categorical", 50), Field("item", "categorical", 30))
IDS = sum(field.cardinality for field in FIELDS)
ROWS = 16
# Set 0 is the first label's, set 1 the second's, set 2 everybody's.
OWNED = [
    {"interaction": "dnn", "sets": 1, "embedding_dim": 4, "task": "click"},
    {"interaction": "dcnv2", "sets": 1, "embedding_dim": 8, "task": "buy"},
    {"interaction": "dnn", "sets": 1, "embedding_dim": 4},
]
TASKS = [{"label": "click"}, {"label": "buy"}]
GATES: dict[str, dict[str, Any]] = {
    "mean": {"head": "mean"},
    "gate": {"head": "gate"},
    "gate on its own": {"head": "gate", "gate": {"embedding_dim": 4}},
    "sparse gate": {"head": "sparse_gate", "gate": {"top_k": 2}},
}


def model_spec(**values: Any) -> ModelSpec:
    defaults = {"hidden_dim": 8, "dropout": 0.0, "normalization": "layer"}
    return ModelSpec.model_validate({**defaults, **values})


def trained_away(model: MultiEmbedding) -> MultiEmbedding:
    """The model with every weight drawn at random, so that no gradient is 0 by its start."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.mark.parametrize("tasks", [[], TASKS])
@pytest.mark.parametrize("normalization", ["batch", "layer", "none"])
def test_a_uniform_gate_is_the_mean_head_to_the_last_digits(
    normalization: str, tasks: list[dict[str, str]]
) -> None:
    groups = [{key: value for key, value in group.items() if key != "task"} for group in OWNED]
    settings: dict[str, Any] = {"groups": groups, "normalization": normalization, "tasks": tasks}
    outputs: dict[str, Output] = {}
    for head in ("mean", "gate"):
        torch.manual_seed(0)
        spec = model_spec(head=head, **settings)
        dense = DensePart(["user", "item"], 0, ["click", "buy"][: len(tasks) or 1], spec, "fp32")
        embeddings = [
            torch.randn(group.sets, ROWS, len(FIELDS), group.columns, dtype=torch.float64)
            for group in table_groups(len(FIELDS), spec)
        ]
        outputs[head] = dense.double()(embeddings, None)
    gate = outputs["gate"].gate
    assert gate is not None
    assert gate.unique().tolist() == [1 / 3]
    torch.testing.assert_close(
        outputs["gate"].logits, outputs["mean"].logits, rtol=1e-15, atol=1e-15
    )


class TestParameterCount:
    def test_counts_shared_sets_once(self) -> None:
        first = {"interaction": "dcnv2", "sets": 2, "embedding_dim": 6}
        alone = MultiEmbedding(FIELDS, model_spec(groups=[first]))
        shared = MultiEmbedding(
            FIELDS, model_spec(groups=[first, {"interaction": "dnn", "shares": 0}])
        )
        assert alone.count_parameters().embedding == IDS * 12
        assert shared.count_parameters().embedding == IDS * 12
        # The second group's projection: (2 fields x 6) x 8 and three vectors of 8, for each set.
        added = 2 * (12 * 8 + 3 * 8)
        assert shared.count_parameters().dense - alone.count_parameters().dense == added

    def test_counts_the_gates_own_embeddings(self) -> None:
        settings = {"sets": 2, "embedding_dim": 6, "head": "gate"}
        own = MultiEmbedding(FIELDS, model_spec(**settings, gate={"embedding_dim": 5}))
        assert own.count_parameters().embedding == IDS * (12 + 5)


@pytest.mark.parametrize("tables", ["packed", "separate"])
def test_gates_own_embeddings_are_tables_beside_the_experts(tables: str) -> None:
    settings = {"sets": 2, "embedding_dim": 6, "head": "gate", "tables": tables}
    model = MultiEmbedding(FIELDS, model_spec(**settings, gate={"embedding_dim": 5}))
    of_gates = [table for table in model.embedding_sets.tables if table.of_gates]
    assert [(table.field.name, table.sets, table.columns) for table in of_gates] == [
        ("user", 1, 5),
        ("item", 1, 5),
    ]
    assert all("_gate" in table.name for table in of_gates)
    assert len(model.embedding_sets.tables) == 2 * (2 if tables == "packed" else 3)


@pytest.mark.parametrize("tables", ["packed", "separate"])
@pytest.mark.parametrize(
    ("fields", "with_ids", "with_numbers"),
    [
        (["item"], ["item"], 0),
        (["price", "item"], ["item"], 1),
        (["price"], [], 1),
        (["price", "age", "item", "user"], ["user", "item"], 2),
        ([], ["user", "item"], 2),
    ],
)
def test_gates_own_embeddings_are_of_their_fields_alone(
    random_features: RandomFeatures,
    tables: str,
    fields: list[str],
    with_ids: list[str],
    with_numbers: int,
) -> None:
    gate = {"embedding_dim": 5, "fields": fields}
    spec = model_spec(sets=2, embedding_dim=6, head="gate", tables=tables, gate=gate)
    model = trained_away(MultiEmbedding(FIELDS, spec, dense_fields=("age", "price")))
    of_gates = [table for table in model.embedding_sets.tables if table.of_gates]
    assert [table.field.name for table in of_gates] == with_ids
    features = random_features(FIELDS, ROWS)
    experts, gates = model.embedding_sets(features)
    assert experts.shape == (2, ROWS, 2, 6)
    assert gates.shape == (1, ROWS, len(with_ids), 5)
    numbers = [slopes.shape[1] for slopes in model.dense.numeric.slopes]
    assert numbers == [2, with_numbers][: 2 if with_numbers else 1]
    model(features, torch.randn(ROWS, 2)).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


class TestOwnedGroups:
    """'All Forward Task-specific Backward', from the logits to the tables."""

    def gradients(
        self, settings: dict[str, Any], task: int, features: KeyedJaggedTensor
    ) -> dict[str, Tensor]:
        """The largest gradient that a task's logits send each parameter."""
        spec = model_spec(**{"groups": OWNED, "tasks": TASKS, **settings})
        model = trained_away(MultiEmbedding(FIELDS, spec))
        output = model(features)
        (output.logits[task].square().sum() + output.penalty).backward()
        return {
            name: parameter.grad.abs().max()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }

    @pytest.mark.parametrize("task", [0, 1])
    @pytest.mark.parametrize("head", ["mean", "gate", "gate on its own", "sparse gate"])
    def test_a_task_trains_its_own_and_the_common_experts_and_tables(
        self, head: str, task: int, random_features: RandomFeatures
    ) -> None:
        settings = GATES[head]
        if head == "sparse gate":
            # The balance is every task's own, so that it would hide where the logits' goes.
            settings = {**settings, "gate": {**settings["gate"], "balance_weight": 0.0}}
        found = self.gradients(settings, task, random_features(FIELDS, ROWS))
        for group in range(3):
            trained = group in (task, 2)
            parts = [name for name in found if f"interactions.{group}." in name]
            parts += [f"embedding_sets.collection.embedding_bags.user_g{group}.weight"]
            assert len(parts) > 1
            assert all((found[name] > 0) == trained for name in parts), group

    @pytest.mark.parametrize("task", [0, 1])
    def test_gates_own_embeddings_are_trained_by_every_task(
        self, task: int, random_features: RandomFeatures
    ) -> None:
        found = self.gradients(GATES["gate on its own"], task, random_features(FIELDS, ROWS))
        assert found["embedding_sets.collection.embedding_bags.user_gate.weight"] > 0

    def test_sets_that_owned_groups_share_are_trained_by_the_owners_of_both(
        self, random_features: RandomFeatures
    ) -> None:
        groups = [OWNED[0], {"interaction": "dcnv2", "shares": 0, "task": "buy"}, OWNED[2]]
        for task in (0, 1):
            settings = {"groups": groups, **GATES["gate"]}
            found = self.gradients(settings, task, random_features(FIELDS, ROWS))
            assert found["embedding_sets.collection.embedding_bags.user_g0.weight"] > 0
            assert (found["dense.interactions.0.projection.0.weight"] > 0) == (task == 0)
            assert (found["dense.interactions.1.projection.0.weight"] > 0) == (task == 1)

    @pytest.mark.parametrize("head", ["gate", "sparse gate"])
    def test_gates_read_the_experts_of_other_tasks(
        self, head: str, random_features: RandomFeatures
    ) -> None:
        spec = model_spec(groups=OWNED, tasks=TASKS, **GATES[head])
        model = trained_away(MultiEmbedding(FIELDS, spec)).eval()
        features = random_features(FIELDS, ROWS)
        before = model(features).gate
        with torch.no_grad():
            model.embedding_sets.collection.embedding_bags["user_g1"].weight.add_(1.0)
        after = model(features).gate
        assert not torch.equal(before[0], after[0])
