"""The heads' weights against their formulas, written out row by row."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.console import InputError
from pipeline.model.heads.gate import GateHead
from pipeline.model.heads.head import HeadInputs
from pipeline.model.heads.mean import MeanHead
from pipeline.spec_model import GateSpec, ModelSpec

TASKS, ROWS = 2, 5
# Two sets of 3 columns, then one of 5.
WIDTHS = ((2, 3), (1, 5))
INPUTS = HeadInputs(
    tasks=TASKS,
    experts=3,
    fields=("user", "item", "age"),
    widths=WIDTHS,
    trained=((True, True), (True, True)),
)


@pytest.fixture
def embeddings() -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(sets, ROWS, len(INPUTS.fields), columns, dtype=torch.float64)
        for sets, columns in WIDTHS
    ]


def trained_gate(gate: GateSpec) -> GateHead:
    """A gate away from its start."""
    torch.manual_seed(2)
    head = GateHead(INPUTS, ModelSpec(head="gate", gate=gate)).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


def test_mean_head_leaves_every_expert_the_same_weight(embeddings: list[Tensor]) -> None:
    assert MeanHead(INPUTS, ModelSpec())(embeddings) is None


class TestGateHead:
    def test_starts_uniform(self, embeddings: list[Tensor]) -> None:
        weights = GateHead(INPUTS, ModelSpec(head="gate")).double()(embeddings).weights
        assert torch.equal(weights, torch.full((TASKS, 3, ROWS), 1 / 3, dtype=torch.float64))

    def test_weights_are_positive_and_sum_to_1(self, embeddings: list[Tensor]) -> None:
        weights = trained_gate(GateSpec())(embeddings).weights
        assert (weights > 0).all()
        expected = torch.ones(TASKS, ROWS).double()
        torch.testing.assert_close(weights.sum(1), expected, rtol=0, atol=1e-15)

    @pytest.mark.parametrize("fields", [(), ("age", "user")])
    def test_agrees_with_its_formula_row_by_row(
        self, fields: tuple[str, ...], embeddings: list[Tensor]
    ) -> None:
        head = trained_gate(GateSpec(fields=fields))
        found = head(embeddings).weights
        read = [INPUTS.fields.index(name) for name in fields or INPUTS.fields]
        for row in range(ROWS):
            scores = head.scores.bias.tolist()
            for sets, weights in zip(embeddings, head.scores.weights, strict=True):
                for place, weight in enumerate(weights.tolist()):
                    x = [value for f in read for value in sets[place, row, f].tolist()]
                    for output in range(TASKS * 3):
                        column = [line[output] for line in weight]
                        scores[output] += sum(a * b for a, b in zip(x, column, strict=True))
            for task in range(TASKS):
                powers = [math.exp(score) for score in scores[3 * task : 3 * task + 3]]
                expected = [power / sum(powers) for power in powers]
                assert found[task, :, row].tolist() == pytest.approx(expected, rel=1e-12)

    def test_weighs_rows_by_their_own_embeddings(self, embeddings: list[Tensor]) -> None:
        head = trained_gate(GateSpec())
        before = head(embeddings).weights
        embeddings[1][0, 2] += 1
        changed = (head(embeddings).weights != before).any(dim=0).any(dim=0)
        assert changed.tolist() == [False, False, True, False, False]

    def test_with_embeddings_of_its_own_reads_no_others(self, embeddings: list[Tensor]) -> None:
        head = trained_gate(GateSpec(embedding_dim=5))
        before = head(embeddings).weights
        embeddings[0] += 1
        assert torch.equal(head(embeddings).weights, before)
        embeddings[1] += 1
        assert not torch.equal(head(embeddings).weights, before)

    def test_with_embeddings_of_its_own_reads_chosen_fields_in_the_order_of_all(
        self, embeddings: list[Tensor]
    ) -> None:
        head = trained_gate(GateSpec(embedding_dim=5, fields=("age", "user")))
        user, age = torch.randn(2, ROWS, 5, dtype=torch.float64)
        found = head([embeddings[0], torch.stack([user, age], dim=1)[None]]).weights
        (weights,) = head.scores.weights
        scores = torch.cat([age, user], dim=1) @ weights[0] + head.scores.bias
        expected = scores.T.unflatten(0, (TASKS, 3)).softmax(dim=1)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)

    def test_refuses_a_field_that_is_not_there(self) -> None:
        with pytest.raises(InputError) as caught:
            GateHead(INPUTS, ModelSpec(head="gate", gate=GateSpec(fields=("users",))))
        assert str(caught.value) == (
            "model.gate.fields: the dataset has no field 'users'; it has user, item, age"
        )
