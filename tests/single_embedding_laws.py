"""One set is the single embedding, and sizes are closed formulas: for every interaction."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.manifest import Field
from pipeline.model.embedding_sets import EmbeddingSets
from pipeline.model.layers import HiddenBlock, SetLinear
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec_model import ModelSpec

RandomFeatures = Callable[[Sequence[Field], int], KeyedJaggedTensor]
Initialize = Callable[[EmbeddingSets, ModelSpec], dict[str, Tensor]]

FIELDS = (
    Field("user", "categorical", 50),
    Field("item", "categorical", 30),
    Field("age", "numeric", 4),
)
SIZE, ROWS, HIDDEN = 10, 32, 16
# The paper's scaling factors.
FACTORS = (1, 2, 3, 4, 10)


class SingleEmbedding(nn.Module):
    """One nn.Embedding a field with the weights of the only set, then a textbook's model."""

    def __init__(self, model: MultiEmbedding, textbook: nn.Module) -> None:
        """``textbook`` takes embeddings (B, F, C) to logits (B,)."""
        super().__init__()
        bags = model.embedding_sets.collection.embedding_bags
        columns = model.embedding_sets.tables[0].columns
        weights = [bags[f"{field.name}_g0"].weight[:, :columns] for field in FIELDS]
        self.embeddings = nn.ModuleList(
            nn.Embedding.from_pretrained(weight.detach().clone(), freeze=False)
            for weight in weights
        )
        self.textbook = textbook

    def forward(self, features: KeyedJaggedTensor) -> Tensor:
        looked_up = [
            embedding(features[field.name].values())
            for field, embedding in zip(FIELDS, self.embeddings, strict=True)
        ]
        return self.textbook(torch.stack(looked_up, dim=1))


def logits_of(model: nn.Module, features: KeyedJaggedTensor) -> Tensor:
    """Of the one task, or of a plain module, (B,)."""
    output = model(features)
    return output if isinstance(output, Tensor) else output.logits[0]


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A torch layer of the transposed weight (in, out)."""
    linear = nn.Linear(*weight.shape, bias=bias is not None)
    linear.weight.data = weight.T.detach().clone()
    if bias is not None:
        linear.bias.data = bias.detach().clone()
    return linear


def set_linear_of(layer: SetLinear) -> nn.Linear:
    """The torch layer of the first set."""
    return linear_of(layer.weight[0], None if layer.bias is None else layer.bias[0, 0])


def block_of(block: HiddenBlock) -> nn.Sequential:
    """The first set's hidden block at its start, without dropout."""
    linear = set_linear_of(block[0])
    return nn.Sequential(linear, nn.BatchNorm1d(linear.out_features), nn.ReLU())


class MLP(nn.Module):
    """(B, width) -> logits (B,): the projection of the first set, then the tower's layers."""

    def __init__(self, model: MultiEmbedding) -> None:
        super().__init__()
        (interaction,), (tower,) = model.dense.interactions, model.dense.towers
        self.layers = nn.Sequential(
            block_of(interaction.projection), block_of(tower.hidden), set_linear_of(tower.logit)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs).squeeze(1)


def block_parameters(width: int, out: int) -> int:
    """The weight, BatchNorm's scale and shift."""
    return width * out + 2 * out


class SingleEmbeddingLaws:
    """A subclass writes the model of one embedding with torch's layers, and counts its numbers.

    Attributes:
        name: in the registry.
        model: further settings of the spec's model section.
    """

    name: str
    model: ClassVar[dict[str, Any]] = {}

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        """(B, F, C) -> logits (B,), with the weights of the model's one set."""
        raise AssertionError("a subclass writes the model")

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        """Of one set's interaction, projection included."""
        raise AssertionError("a subclass counts")

    def tower_parameters(self, hidden: int) -> int:
        return block_parameters(hidden, hidden) + hidden + 1

    def columns(self, fields: int, size: int) -> int:
        """C."""
        return size

    def spec(self, **values: Any) -> ModelSpec:
        start = {"dropout": 0.0, "initialization": "normal", "initialization_scale": 0.5}
        sizes = {"sets": 1, "embedding_dim": SIZE, "hidden_dim": HIDDEN}
        return ModelSpec.model_validate(
            {"interaction": self.name, **start, **sizes, **self.model, **values}
        )

    def pair(self, tables: str, initialize: Initialize) -> tuple[MultiEmbedding, SingleEmbedding]:
        torch.manual_seed(0)
        spec = self.spec()
        model = MultiEmbedding(FIELDS, spec)
        initialize(model.embedding_sets, spec)
        single = SingleEmbedding(model, self.textbook(model))
        if tables == "packed":
            return model, single
        apart = spec.model_copy(update={"tables": "separate"})
        other = MultiEmbedding(FIELDS, apart)
        initialize(other.embedding_sets, apart)
        other.dense.load_state_dict(model.dense.state_dict())
        return other, single

    @pytest.mark.parametrize("tables", ["packed", "separate"])
    def test_one_set_is_the_single_embedding_in_training_and_evaluation(
        self, tables: str, random_features: RandomFeatures, initialize: Initialize
    ) -> None:
        models = self.pair(tables, initialize)
        features = random_features(FIELDS, ROWS)
        for mode in (True, False):
            ours, theirs = (logits_of(model.train(mode), features) for model in models)
            assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max().clamp_min(1)

    @pytest.mark.parametrize("tables", ["packed", "separate"])
    def test_one_set_trains_as_the_single_embedding(
        self, tables: str, random_features: RandomFeatures, initialize: Initialize
    ) -> None:
        models = self.pair(tables, initialize)
        features = random_features(FIELDS, ROWS)
        labels = (torch.arange(ROWS) % 2).float()
        start = logits_of(models[1], features).detach()
        for model in models:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(
                    logits_of(model, features), labels
                ).backward()
                optimizer.step()
        ours, theirs = (logits_of(model, features) for model in models)
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp_min(1)
        assert not torch.allclose(theirs, start, atol=1e-3)

    @pytest.mark.parametrize("tables", ["packed", "separate"])
    @pytest.mark.parametrize(
        ("fields", "sets", "size", "hidden"),
        [
            *((3, 1, SIZE * factor, HIDDEN) for factor in FACTORS),
            *((3, factor, SIZE, HIDDEN) for factor in FACTORS),
            (2, 3, 7, 5),
        ],
    )
    def test_has_as_many_parameters_as_its_closed_formula(
        self, tables: str, fields: int, sets: int, size: int, hidden: int
    ) -> None:
        spec = self.spec(sets=sets, embedding_dim=size, hidden_dim=hidden, tables=tables)
        count = MultiEmbedding(FIELDS[:fields], spec).count_parameters()
        expected = sets * self.set_parameters(fields, size, hidden) + self.tower_parameters(hidden)
        assert count.dense == expected
        rows = sum(field.cardinality for field in FIELDS[:fields])
        assert count.embedding == sets * self.columns(fields, size) * rows
