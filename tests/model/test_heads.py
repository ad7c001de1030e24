import math

import pytest
import torch
from torch import Tensor

from pipeline.model.heads import GateHead, MeanHead
from pipeline.spec import GroupSpec

FIELDS, ROWS, HIDDEN = 3, 5, 4
GROUPS = (
    GroupSpec(interaction="dnn", sets=2, embedding_dim=3),
    GroupSpec(interaction="dcnv2", sets=1, embedding_dim=5),
)
EXPERTS = 3


@pytest.fixture
def embeddings() -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(group.sets, ROWS, FIELDS, group.embedding_dim, dtype=torch.float64)
        for group in GROUPS
    ]


@pytest.fixture
def outputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(EXPERTS, ROWS, HIDDEN, dtype=torch.float64)


@pytest.fixture
def trained() -> GateHead:
    """A gate away from its start."""
    torch.manual_seed(2)
    head = GateHead(FIELDS, GROUPS).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


class TestMeanHead:
    def test_is_the_mean_over_sets(self, outputs: Tensor, embeddings: list[Tensor]) -> None:
        expected = (outputs[0] + outputs[1] + outputs[2]) / 3
        torch.testing.assert_close(MeanHead()(outputs, embeddings), expected, rtol=0, atol=1e-15)

    def test_of_one_set_is_that_set(self, outputs: Tensor, embeddings: list[Tensor]) -> None:
        assert torch.equal(MeanHead()(outputs[:1], embeddings), outputs[0])


class TestGateHead:
    def test_starts_as_the_mean(self, outputs: Tensor, embeddings: list[Tensor]) -> None:
        found = GateHead(FIELDS, GROUPS).double()(outputs, embeddings)
        torch.testing.assert_close(found, outputs.mean(dim=0), rtol=0, atol=1e-15)

    def test_weights_are_positive_and_sum_to_1(
        self, trained: GateHead, embeddings: list[Tensor]
    ) -> None:
        gate = trained.gate(embeddings)
        assert gate.shape == (ROWS, EXPERTS)
        assert (gate > 0).all()
        torch.testing.assert_close(gate.sum(1), torch.ones(ROWS).double(), rtol=0, atol=1e-15)

    def test_agrees_with_its_formula_row_by_row(
        self, trained: GateHead, outputs: Tensor, embeddings: list[Tensor]
    ) -> None:
        found = trained(outputs, embeddings)
        for row in range(ROWS):
            logits = trained.bias.tolist()
            for sets, weights in zip(embeddings, trained.weights, strict=True):
                for place, weight in enumerate(weights.tolist()):
                    x = sets[place, row].flatten().tolist()
                    for expert in range(EXPERTS):
                        column = [line[expert] for line in weight]
                        logits[expert] += sum(a * b for a, b in zip(x, column, strict=True))
            powers = [math.exp(logit) for logit in logits]
            gates = [power / sum(powers) for power in powers]
            expected = sum(g * outputs[expert, row] for expert, g in enumerate(gates))
            torch.testing.assert_close(found[row], expected, rtol=1e-12, atol=1e-12)

    def test_learns_from_its_start(self, outputs: Tensor, embeddings: list[Tensor]) -> None:
        head = GateHead(FIELDS, GROUPS).double()
        head(outputs, embeddings).square().sum().backward()
        for parameter in head.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0

    def test_passes_gradients_to_outputs_and_embeddings(
        self, trained: GateHead, outputs: Tensor, embeddings: list[Tensor]
    ) -> None:
        variables = [outputs.requires_grad_(), *(sets.requires_grad_() for sets in embeddings)]
        gradients = torch.autograd.grad(trained(outputs, embeddings).square().sum(), variables)
        assert all(gradient.abs().min() > 0 for gradient in gradients)

    def test_weighs_rows_by_their_own_embeddings(
        self, trained: GateHead, embeddings: list[Tensor]
    ) -> None:
        before = trained.gate(embeddings)
        embeddings[1][0, 2] += 1
        changed = (trained.gate(embeddings) != before).any(dim=1)
        assert changed.tolist() == [False, False, True, False, False]
