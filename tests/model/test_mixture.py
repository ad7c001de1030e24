"""How the outputs of all sets are joined for each task and tower."""

import pytest
import torch
from torch import Tensor

from pipeline.model.heads.head import Gate
from pipeline.model.mixture import Mixture
from pipeline.spec_model import GroupSpec

ROWS = 5
TWO_SETS = GroupSpec(interaction="dnn", sets=2, embedding_dim=3)
ONE_SET = GroupSpec(interaction="dcnv2", sets=1, embedding_dim=5)


@pytest.fixture
def outputs() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(sets, ROWS, 4, dtype=torch.float64) for sets in (2, 1)]


def random_gate(tasks: int) -> Gate:
    return Gate(torch.rand(tasks, 3, ROWS, dtype=torch.float64), None)


def test_without_a_gate_it_is_the_mean_over_all_sets(outputs: list[Tensor]) -> None:
    (found,) = Mixture([TWO_SETS, ONE_SET], [0, 0], ["click"])(outputs, None)
    expected = (outputs[0][0] + outputs[0][1] + outputs[1][0]) / 3
    torch.testing.assert_close(found, expected.unsqueeze(0), rtol=0, atol=1e-15)


def test_a_uniform_gate_is_the_mean(outputs: list[Tensor]) -> None:
    mixture = Mixture([TWO_SETS, ONE_SET], [0, 0], ["click"])
    uniform = Gate(torch.full((1, 3, ROWS), 1 / 3, dtype=torch.float64), None)
    torch.testing.assert_close(
        mixture(outputs, uniform)[0], mixture(outputs, None)[0], rtol=0, atol=1e-15
    )


def test_one_set_passes_as_it_is(outputs: list[Tensor]) -> None:
    assert torch.equal(Mixture([ONE_SET], [0], ["click"])(outputs[1:], None)[0], outputs[1])


def test_weighs_each_row_for_each_task(outputs: list[Tensor]) -> None:
    gate = random_gate(2)
    (found,) = Mixture([TWO_SETS, ONE_SET], [0, 0], ["click", "buy"])(outputs, gate)
    experts = [outputs[0][0], outputs[0][1], outputs[1][0]]
    for task in range(2):
        for row in range(ROWS):
            expected = sum(gate.weights[task, s, row] * experts[s][row] for s in range(3))
            torch.testing.assert_close(found[task, row], expected, rtol=1e-14, atol=1e-14)


def test_groups_with_towers_of_their_own_are_not_added_up(outputs: list[Tensor]) -> None:
    gate = random_gate(1)
    mixture = Mixture([TWO_SETS, ONE_SET], [0, 1], ["click"])
    first, second = mixture(outputs, gate)
    weights = gate.weights[0].unsqueeze(-1)
    expected = weights[0] * outputs[0][0] + weights[1] * outputs[0][1]
    torch.testing.assert_close(first[0], expected, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(second[0], weights[2] * outputs[1][0], rtol=1e-14, atol=1e-14)
    # Without a gate each still weighs 1 / 3.
    torch.testing.assert_close(mixture(outputs, None)[1][0], outputs[1][0] / 3)


class TestOwnedGroups:
    """'All Forward Task-specific Backward'."""

    def mixture(self) -> Mixture:
        owned = TWO_SETS.model_copy(update={"task": "buy"})
        return Mixture([owned, ONE_SET], [0, 0], ["click", "buy"])

    @pytest.mark.parametrize("gated", [False, True])
    def test_are_read_by_all_tasks(self, gated: bool, outputs: list[Tensor]) -> None:
        gate = random_gate(2) if gated else None
        plain = Mixture([TWO_SETS, ONE_SET], [0, 0], ["click", "buy"])
        found, expected = self.mixture()(outputs, gate)[0], plain(outputs, gate)[0]
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)

    @pytest.mark.parametrize("gated", [False, True])
    def test_are_trained_by_their_own_task_alone(self, gated: bool, outputs: list[Tensor]) -> None:
        for tensor in outputs:
            tensor.requires_grad_()
        gate = random_gate(2) if gated else None
        click, buy = self.mixture()(outputs, gate)[0]
        of_click = torch.autograd.grad(click.sum(), outputs, retain_graph=True)
        of_buy = torch.autograd.grad(buy.sum(), outputs)
        assert of_click[0].abs().max() == 0
        assert of_buy[0].abs().min() > 0
        # The group without an owner is shared.
        assert of_click[1].abs().min() > 0
        assert of_buy[1].abs().min() > 0
