"""The regularisers as the model switches them on."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.console import InputError
from pipeline.data.manifest import Field
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.regularizers.alignment import interaction_alignment
from pipeline.model.regularizers.decorrelation import decorrelation
from pipeline.model.regularizers.regularization import Regularization
from pipeline.model.regularizers.similarity import space_similarity
from pipeline.model.regularizers.singular_values import singular_value_spread
from pipeline.model.regularizers.spectral_balance import spectral_balance
from pipeline.model.tables import TableGroup
from pipeline.spec_model import GroupSpec, ModelSpec, RegularizationSpec

RandomFeatures = Callable[[Sequence[Field], int], KeyedJaggedTensor]

FIELDS = (Field("user", "categorical", 50), Field("item", "categorical", 30))
ROWS = 32
OF_EMBEDDINGS = {
    "space_similarity": space_similarity,
    "singular_value_spread": singular_value_spread,
    "decorrelation": decorrelation,
    "spectral_balance": spectral_balance,
}
KEYS = [*OF_EMBEDDINGS, "interaction_alignment"]
MIXED = [
    {"interaction": "dnn", "sets": 1, "embedding_dim": 4},
    {"interaction": "dcnv2", "sets": 3, "embedding_dim": 5},
    {"interaction": "dcnv2", "shares": 1},
]


class ByPair(Interaction):
    """Weights by pair of fields, (1, M, F, F), and nothing else."""

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.weights = torch.nn.Parameter(torch.rand(1, group.sets, fields, fields))

    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings.flatten(2)

    def block_norms(self) -> Tensor:
        return self.weights.square()


def by_pair(sets: int) -> ByPair:
    group = GroupSpec(interaction="dcnv2", sets=sets, embedding_dim=4)
    return ByPair(3, group, ModelSpec())


def model_of(precision: Any = "fp32", **values: Any) -> MultiEmbedding:
    torch.manual_seed(0)
    defaults = {"hidden_dim": 8, "dropout": 0.0}
    model = MultiEmbedding(FIELDS, ModelSpec.model_validate({**defaults, **values}), precision)
    for bag in model.embedding_sets.collection.embedding_bags.values():
        torch.nn.init.normal_(bag.weight)
    return model


class TestTerms:
    @pytest.mark.parametrize("key", KEYS)
    def test_are_the_weighted_means_over_the_groups_that_they_apply_to(self, key: str) -> None:
        tables = [TableGroup(1, 4), TableGroup(3, 5), TableGroup(2, 6)]
        interactions = [by_pair(1), by_pair(3), by_pair(2)]
        embeddings = [torch.randn(table.sets, 9, 3, table.columns) for table in tables]
        spec = RegularizationSpec.model_validate({key: 0.25})
        terms = Regularization(spec, tables, interactions).terms(embeddings, interactions)
        places = [1, 2] if key in ("space_similarity", "interaction_alignment") else [0, 1, 2]
        if key == "interaction_alignment":
            parts = [interaction_alignment(interactions[place].block_norms()) for place in places]
        else:
            parts = [OF_EMBEDDINGS[key](embeddings[place]) for place in places]
        torch.testing.assert_close(terms, [0.25 * sum(parts) / len(parts)])

    def test_of_weight_0_are_none(self) -> None:
        off = Regularization(RegularizationSpec(), [TableGroup(1, 1)], [by_pair(1)])
        assert off.terms([torch.randn(1, 9, 3, 1)], [by_pair(1)]) == []


class TestRefusals:
    @pytest.mark.parametrize("key", KEYS)
    def test_of_one_set_of_one_column_name_the_key(self, key: str) -> None:
        spec = RegularizationSpec.model_validate({key: 1.0})
        with pytest.raises(InputError, match=rf"model\.regularization\.{key}: .* set it to 0"):
            Regularization(spec, [TableGroup(1, 1)], [by_pair(1)])

    @pytest.mark.parametrize(
        "values",
        [{"interaction": "dnn"}, {"sets": 1}, {"shared_interaction": True}],
        ids=["no weights by pair", "one set", "one interaction"],
    )
    def test_of_alignment_come_when_the_model_is_built(self, values: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"model\.regularization\.interaction_alignment"):
            model_of(regularization={"interaction_alignment": 1.0}, **values)


class TestModel:
    @pytest.mark.parametrize("key", KEYS)
    def test_adds_them_to_the_loss_in_training_only(
        self, key: str, random_features: RandomFeatures
    ) -> None:
        model, plain = model_of(regularization={key: 1e-3}), model_of()
        features = random_features(FIELDS, ROWS)
        ours, theirs = model(features), plain(features)
        assert torch.equal(ours.logits, theirs.logits)
        assert ours.penalty.item() > 0
        assert theirs.penalty.item() == 0
        assert not theirs.penalty.requires_grad
        model.eval()
        assert model(features).penalty.item() == 0

    @pytest.mark.parametrize("key", KEYS)
    def test_minimises_them(self, key: str, random_features: RandomFeatures) -> None:
        model, features = model_of(regularization={key: 1.0}), random_features(FIELDS, ROWS)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        penalties = []
        for _ in range(5):
            optimizer.zero_grad()
            penalty = model(features).penalty
            penalty.backward()
            optimizer.step()
            penalties.append(penalty.item())
        assert penalties == sorted(penalties, reverse=True)

    def test_reads_the_experts_embeddings_of_a_mixture_without_the_gates_own(
        self, random_features: RandomFeatures
    ) -> None:
        model = model_of(
            groups=MIXED,
            head="gate",
            gate={"embedding_dim": 6},
            regularization={"spectral_balance": 1.0},
        )
        features = random_features(FIELDS, ROWS)
        *experts, gates = model.embedding_sets(features)
        assert gates.shape == (1, ROWS, 2, 6)
        expected = torch.stack([spectral_balance(embeddings) for embeddings in experts]).mean()
        torch.testing.assert_close(model(features).penalty, expected)

    def test_leaves_dense_fields_out(self, random_features: RandomFeatures) -> None:
        spec = ModelSpec.model_validate(
            {"hidden_dim": 8, "regularization": {"spectral_balance": 1.0}}
        )
        model = MultiEmbedding(FIELDS, spec, dense_fields=["price"])
        features = random_features(FIELDS, ROWS)
        penalty = model(features, torch.randn(ROWS, 1)).penalty
        torch.testing.assert_close(penalty, spectral_balance(model.embedding_sets(features)[0]))

    @pytest.mark.parametrize("key", KEYS)
    def test_computes_them_in_float32_under_bf16(
        self, key: str, random_features: RandomFeatures
    ) -> None:
        features = random_features(FIELDS, ROWS)
        penalties = [
            model_of(precision, regularization={key: 1.0})(features).penalty
            for precision in ("fp32", "bf16")
        ]
        assert penalties[1].dtype == torch.float32
        assert torch.equal(*penalties)
