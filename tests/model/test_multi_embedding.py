from typing import Any

import pytest
import torch
from single_embedding_laws import FIELDS, HIDDEN, ROWS, RandomFeatures, logits_of
from torch import Tensor

from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.registry import BUILT_IN
from pipeline.spec_model import ModelSpec

MIXED = [
    {"interaction": "dnn", "sets": 2, "embedding_dim": 8},
    {"interaction": "dcnv2", "sets": 3, "embedding_dim": 5},
]


def model_spec(**values: Any) -> ModelSpec:
    defaults = {"hidden_dim": HIDDEN, "dropout": 0.0, "initialization": "normal"}
    return ModelSpec.model_validate({**defaults, "initialization_scale": 0.5, **values})


def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


class TestParameterCount:
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

    def test_of_every_interaction_train_together(self, random_features: RandomFeatures) -> None:
        torch.manual_seed(0)
        kinds = BUILT_IN["interaction"]
        groups = [{"interaction": name, "sets": 2, "embedding_dim": 4} for name in kinds]
        model = MultiEmbedding(FIELDS, model_spec(groups=groups))
        output = model(random_features(FIELDS, ROWS))
        weights = torch.linspace(-1, 1, ROWS)
        (output.logits * weights).sum().add(output.penalty).backward()
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
