import pytest
import torch
from interaction_laws import assert_agree, hidden_block
from single_embedding_laws import FIELDS
from torch import Tensor

from pipeline.console import InputError
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.towers.finalmlp import FinalMLPTower
from pipeline.model.towers.mlp import MLPTower
from pipeline.model.towers.sum import SumTower
from pipeline.model.towers.tower import Tower
from pipeline.model.towers.xdeepfm import XDeepFMTower
from pipeline.spec_model import GroupSpec, ModelSpec

TASKS, ROWS = 2, 3
SPEC = ModelSpec(hidden_dim=5, dropout=0.0)


def made(kind: type[Tower], streams: tuple[int, int]) -> tuple[Tower, Tensor]:
    """A tower whose parameters are all random, and a representation, in float64."""
    torch.manual_seed(0)
    tower = kind(TASKS, streams, SPEC).double()
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.normal_()
    representation = torch.randn(TASKS, ROWS, sum(streams), dtype=torch.float64)
    return tower, representation.requires_grad_()


class TestMLPTower:
    def test_has_as_many_hidden_blocks_as_it_is_told(self) -> None:
        torch.manual_seed(0)
        spec = ModelSpec(hidden_dim=5, dropout=0.0, tower_blocks=3)
        tower = MLPTower(TASKS, (4,), spec).double()
        rows = torch.randn(TASKS, ROWS, 4, dtype=torch.float64, requires_grad=True)
        logits = []
        for task, hidden in enumerate(rows):
            for block in (tower.hidden, *tower.deeper):
                hidden = hidden_block(block, task, hidden)
            logits.append(hidden @ tower.logit.weight[task, :, 0] + tower.logit.bias[task, 0, 0])
        assert len(tower.deeper) == 2
        assert_agree(tower(rows), torch.stack(logits), [rows, *tower.parameters()])


class TestXDeepFMTower:
    def test_is_linear_in_stream_1_and_a_hidden_block_of_stream_2(self) -> None:
        tower, representation = made(XDeepFMTower, (4, 6))
        expected = []
        for task, rows in enumerate(representation):
            hidden = hidden_block(tower.hidden, task, rows[:, 4:])
            for row, deep in zip(rows, hidden, strict=True):
                explicit = row[:4] @ tower.explicit.weight[task, :, 0]
                implicit = deep @ tower.logit.weight[task, :, 0]
                biases = tower.explicit.bias[task, 0, 0] + tower.logit.bias[task, 0, 0]
                expected.append(explicit + implicit + biases)
        logits = torch.stack(expected).view(TASKS, ROWS)
        assert_agree(tower(representation), logits, [representation, *tower.parameters()])


class TestFinalMLPTower:
    def test_is_the_bilinear_fusion_of_its_streams(self) -> None:
        tower, representation = made(FinalMLPTower, (4, 3))
        expected = []
        for task, rows in enumerate(representation):
            for row in rows:
                x, y = row[:4], row[4:]
                linear = row @ tower.linear.weight[task, :, 0] + tower.linear.bias[task, 0, 0]
                pairs = [
                    x[i] * tower.bilinear[task, i, j] * y[j] for i in range(4) for j in range(3)
                ]
                expected.append(linear + sum(pairs))
        logits = torch.stack(expected).view(TASKS, ROWS)
        assert_agree(tower(representation), logits, [representation, *tower.parameters()])

    def test_starts_without_products(self) -> None:
        assert not FinalMLPTower(TASKS, (4, 3), SPEC).bilinear.any()


@pytest.mark.parametrize("kind", [XDeepFMTower, FinalMLPTower])
@pytest.mark.parametrize("streams", [(7,), (1, 2, 3)])
def test_towers_of_two_streams_refuse_another_number(
    kind: type[Tower], streams: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match=f"model.tower: .* the interaction gives {len(streams)}"):
        kind(TASKS, streams, SPEC)


class TestSumTower:
    def test_adds_a_constant_of_each_task(self) -> None:
        tower, representation = made(SumTower, (1, 3))
        expected = [
            sum(row.unbind()) + constant
            for rows, constant in zip(representation, tower.bias[:, 0], strict=True)
            for row in rows
        ]
        logits = torch.stack(expected).view(TASKS, ROWS)
        assert_agree(tower(representation), logits, [representation, *tower.parameters()])

    def test_starts_from_0(self) -> None:
        tower = SumTower(TASKS, (1,), SPEC)
        representation = torch.randn(TASKS, ROWS, 1)
        assert torch.equal(tower(representation), representation[:, :, 0])


class TestDepth:
    @pytest.mark.parametrize("interaction", ["finalmlp", "fm", "xdeepfm"])
    def test_that_no_tower_reads_is_refused(self, interaction: str) -> None:
        spec = ModelSpec(interaction=interaction, hidden_dim=5, tower_blocks=2)
        tower = "sum" if interaction == "fm" else interaction
        with pytest.raises(InputError, match=f"tower_blocks is 2: the tower {tower} does not read"):
            MultiEmbedding(FIELDS, spec)

    def test_of_one_tower_among_others_is_built(self) -> None:
        groups = (
            GroupSpec(interaction="finalmlp", sets=1, embedding_dim=2),
            GroupSpec(interaction="dnn", sets=1, embedding_dim=2),
        )
        model = MultiEmbedding(FIELDS, ModelSpec(groups=groups, hidden_dim=5, tower_blocks=2))
        assert len(model.dense.towers[1].deeper) == 1
