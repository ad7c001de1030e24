from collections.abc import Callable, Sequence
from typing import Any

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
ROWS, HIDDEN = 32, 16
MIXED = [
    {"interaction": "dnn", "sets": 2, "embedding_dim": 8},
    {"interaction": "dcnv2", "sets": 3, "embedding_dim": 5},
]


def model_spec(**values: Any) -> ModelSpec:
    defaults = {"hidden_dim": HIDDEN, "dropout": 0.0, "initialization": "normal"}
    return ModelSpec.model_validate({**defaults, "initialization_scale": 0.5, **values})


class SingleEmbedding(nn.Module):
    """DNN or stacked DCNv2 as a textbook has it: one nn.Embedding a field, plain layers."""

    def __init__(self, model: MultiEmbedding, size: int) -> None:
        """Copies the weights of a multi-embedding model of one set."""
        super().__init__()
        collection = model.embedding_sets.collection
        self.embeddings = nn.ModuleList(
            nn.Embedding.from_pretrained(
                collection.embedding_bags[f"{field.name}_g0"].weight[:, :size].detach().clone(),
                freeze=False,
            )
            for field in FIELDS
        )
        interaction = model.dense.interactions[0]
        self.crosses = nn.ModuleList(
            linear_of(weight[0], bias[0, 0])
            for weight, bias in zip(
                getattr(interaction, "weights", []), getattr(interaction, "biases", []), strict=True
            )
        )
        self.layers = nn.Sequential(
            *block_of(interaction.projection),
            *block_of(model.dense.towers[0].hidden),
            set_linear_of(model.dense.towers[0].logit),
        )

    def forward(self, features: KeyedJaggedTensor) -> Tensor:
        looked_up = [
            embedding(features[field.name].values())
            for field, embedding in zip(FIELDS, self.embeddings, strict=True)
        ]
        first = x = torch.cat(looked_up, dim=1)
        for cross in self.crosses:
            x = first * cross(x) + x
        return self.layers(x).squeeze(1)


def logits_of(model: nn.Module, features: KeyedJaggedTensor) -> Tensor:
    """Of the one task, or of a plain module, (B,)."""
    output = model(features)
    return output if isinstance(output, Tensor) else output.logits[0]


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A torch layer of the transposed weight (in, out)."""
    linear = nn.Linear(*weight.shape, bias=bias is not None)
    linear.weight.data = weight.T.detach().clone()
    if bias is not None:
        linear.bias.data = bias.detach().clone()
    return linear


def set_linear_of(layer: SetLinear) -> nn.Linear:
    return linear_of(layer.weight[0], None if layer.bias is None else layer.bias[0, 0])


def block_of(block: HiddenBlock) -> list[nn.Module]:
    linear = set_linear_of(block[0])
    return [linear, nn.BatchNorm1d(linear.out_features), nn.ReLU()]


def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


@pytest.mark.parametrize("interaction", ["dnn", "dcnv2"])
@pytest.mark.parametrize("tables", ["packed", "separate"])
class TestOneSet:
    """M = 1 with the mean head is the single-embedding model."""

    SIZE = 10

    def pair(
        self, interaction: str, tables: str, initialize: Initialize
    ) -> tuple[MultiEmbedding, SingleEmbedding]:
        torch.manual_seed(0)
        spec = model_spec(interaction=interaction, sets=1, embedding_dim=self.SIZE)
        model = MultiEmbedding(FIELDS, spec)
        initialize(model.embedding_sets, spec)
        single = SingleEmbedding(model, self.SIZE)
        if tables == "packed":
            return model, single
        apart = spec.model_copy(update={"tables": "separate"})
        other = MultiEmbedding(FIELDS, apart)
        initialize(other.embedding_sets, apart)
        other.dense.load_state_dict(model.dense.state_dict())
        return other, single

    def test_is_single_embedding_in_training_and_evaluation(
        self,
        interaction: str,
        tables: str,
        random_features: RandomFeatures,
        initialize: Initialize,
    ) -> None:
        model, single = self.pair(interaction, tables, initialize)
        features = random_features(FIELDS, ROWS)
        assert largest_difference(logits_of(model, features), single(features)) <= 1e-6
        model.eval(), single.eval()
        assert largest_difference(logits_of(model, features), single(features)) <= 1e-6

    def test_trains_as_single_embedding(
        self,
        interaction: str,
        tables: str,
        random_features: RandomFeatures,
        initialize: Initialize,
    ) -> None:
        models = self.pair(interaction, tables, initialize)
        features = random_features(FIELDS, ROWS)
        labels = (torch.arange(ROWS) % 2).float()
        for model in models:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(
                    logits_of(model, features), labels
                ).backward()
                optimizer.step()
        assert (
            largest_difference(logits_of(models[0], features), logits_of(models[1], features))
            <= 1e-5
        )


def hidden_block_count(width: int, out: int) -> int:
    """The weight, BatchNorm's scale and shift."""
    return width * out + 2 * out


class TestParameterCount:
    @pytest.mark.parametrize("fields", [2, 3])
    @pytest.mark.parametrize(("sets", "size", "hidden"), [(1, 10, 16), (4, 10, 16), (3, 7, 5)])
    @pytest.mark.parametrize("tables", ["packed", "separate"])
    @pytest.mark.parametrize("interaction", ["dnn", "dcnv2"])
    def test_is_its_closed_formula(
        self, interaction: str, tables: str, sets: int, size: int, hidden: int, fields: int
    ) -> None:
        spec = model_spec(
            interaction=interaction, tables=tables, sets=sets, embedding_dim=size, hidden_dim=hidden
        )
        count = MultiEmbedding(FIELDS[:fields], spec).count_parameters()
        width = fields * size
        crosses = 4 * (width * width + width) if interaction == "dcnv2" else 0
        tower = hidden_block_count(hidden, hidden) + hidden + 1
        assert count.dense == sets * (crosses + hidden_block_count(width, hidden)) + tower
        assert count.embedding == sets * size * sum(f.cardinality for f in FIELDS[:fields])

    def test_of_a_gate_adds_a_logit_an_expert(self) -> None:
        mean = MultiEmbedding(FIELDS, model_spec(groups=MIXED)).count_parameters()
        gate = MultiEmbedding(FIELDS, model_spec(groups=MIXED, head="gate")).count_parameters()
        # Five experts; 3 fields of 2 sets of 8 and 3 sets of 5.
        assert gate.dense - mean.dense == 5 * 3 * (2 * 8 + 3 * 5) + 5
        assert gate.embedding == mean.embedding

    def test_of_normalizations(self) -> None:
        def count(normalization: str) -> int:
            spec = model_spec(sets=2, normalization=normalization)
            return MultiEmbedding(FIELDS, spec).count_parameters().dense

        # Two sets' projections and the tower, by hidden number: a bias; scale and shift; all three.
        none = count("none")
        assert count("batch") == count("synchronized_batch") == none + 3 * HIDDEN
        assert count("layer") == none + 3 * 2 * HIDDEN

    def test_grows_linearly_in_sets_and_quadratically_in_size(self) -> None:
        def crosses(sets: int, size: int) -> int:
            spec = model_spec(sets=sets, embedding_dim=size)
            interaction = MultiEmbedding(FIELDS, spec).dense.interactions[0]
            return sum(weight.numel() for weight in interaction.weights)

        assert crosses(4, 10) == 4 * crosses(1, 10)
        assert crosses(1, 40) == 16 * crosses(1, 10)


class TestGroups:
    @pytest.mark.parametrize("head", ["mean", "gate"])
    @pytest.mark.parametrize("tables", ["packed", "separate"])
    def test_of_other_interactions_and_sizes_train_together(
        self, head: str, tables: str, random_features: RandomFeatures
    ) -> None:
        torch.manual_seed(0)
        model = MultiEmbedding(FIELDS, model_spec(groups=MIXED, head=head, tables=tables))
        logits = logits_of(model, random_features(FIELDS, ROWS))
        assert logits.shape == (ROWS,)
        (logits * torch.linspace(-1, 1, ROWS)).sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name

    def test_of_the_same_kind_are_one_group_of_all_their_sets(
        self, random_features: RandomFeatures
    ) -> None:
        torch.manual_seed(0)
        part = {"interaction": "dcnv2", "sets": 2, "embedding_dim": 8}
        two = MultiEmbedding(FIELDS, model_spec(groups=[part, part]))
        one = MultiEmbedding(FIELDS, model_spec(groups=[{**part, "sets": 4}]))
        for field in FIELDS:
            bags = two.embedding_sets.collection.embedding_bags
            parts = [bags[f"{field.name}_g{group}"].weight for group in (0, 1)]
            whole = one.embedding_sets.collection.embedding_bags[f"{field.name}_g0"].weight
            whole.data = torch.cat(parts, dim=1)
        first, second = (dict(group.named_parameters()) for group in two.dense.interactions)
        joined = {name: torch.cat([first[name], second[name]]) for name in first}
        merged = one.dense.interactions[0]
        merged.load_state_dict({**merged.state_dict(), **joined})
        one.dense.towers.load_state_dict(two.dense.towers.state_dict())
        features = random_features(FIELDS, ROWS)
        assert largest_difference(logits_of(one, features), logits_of(two, features)) <= 1e-6


class TestPrecision:
    def test_bf16_gives_float32_logits_close_to_fp32(self, random_features: RandomFeatures) -> None:
        features = random_features(FIELDS, ROWS)
        logits = {}
        for precision in ("fp32", "bf16"):
            torch.manual_seed(0)
            model = MultiEmbedding(FIELDS, model_spec(head="gate"), precision)
            logits[precision] = logits_of(model, features)
        assert logits["bf16"].dtype == torch.float32
        assert not torch.equal(logits["bf16"], logits["fp32"])
        # bf16 keeps 8 bits: a relative rounding of 2^-9 a step, over some ten steps.
        assert largest_difference(logits["bf16"], logits["fp32"]) < 0.05

    def test_bf16_keeps_parameters_gradients_and_statistics_in_float32(
        self, random_features: RandomFeatures
    ) -> None:
        model = MultiEmbedding(FIELDS, model_spec(), "bf16")
        logits_of(model, random_features(FIELDS, ROWS)).sum().backward()
        assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}
        assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}
