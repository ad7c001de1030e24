import pytest
import torch
from interaction_laws import HIDDEN, InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import MLP, SingleEmbeddingLaws, block_parameters, linear_of
from torch import Tensor, nn
from torchrec.modules.crossnet import CrossNet, LowRankCrossNet

from pipeline.model.interactions.dcnv2 import DCNv2
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec_model import DCNv2Spec, GroupSpec, ModelSpec


class TestDCNv2(InteractionLaws):
    name = "dcnv2"
    model = {"dcnv2": {"layers": 2}}  # noqa: RUF012

    def naive(self, interaction: DCNv2, embeddings: Tensor) -> Tensor:
        """x_(l+1) = x_0 * (W_l x_l + b_l) + x_l for each set and row, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            crossed = []
            for row in of_set:
                first = x = torch.cat(list(row))
                for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
                    x = first * (weight[place].T @ x + bias[place, 0]) + x
                crossed.append(x)
            outputs.append(hidden_block(interaction.projection, place, torch.stack(crossed)))
        return torch.stack(outputs)


class TestLowRankDCNv2(InteractionLaws):
    name = "dcnv2"
    model = {"dcnv2": {"layers": 2, "rank": 3}}  # noqa: RUF012

    def naive(self, interaction: DCNv2, embeddings: Tensor) -> Tensor:
        """x_(l+1) = x_0 * (U_l (V_l x_l) + b_l) + x_l for each set and row, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            crossed = []
            for row in of_set:
                first = x = torch.cat(list(row))
                for u, v, bias in zip(
                    interaction.weights, interaction.reductions, interaction.biases, strict=True
                ):
                    x = first * (u[place].T @ (v[place].T @ x) + bias[place, 0]) + x
                crossed.append(x)
            outputs.append(hidden_block(interaction.projection, place, torch.stack(crossed)))
        return torch.stack(outputs)


class CrossNetwork(nn.Module):
    """x_(l+1) = x_0 * (W_l x_l + b_l) + x_l, each W_l one layer, or a chain of them."""

    def __init__(self, crosses: list[nn.Module]) -> None:
        super().__init__()
        self.crosses = nn.ModuleList(crosses)

    def forward(self, embeddings: Tensor) -> Tensor:
        first = x = embeddings.flatten(1)
        for cross in self.crosses:
            x = first * cross(x) + x
        return x


class TestOneSet(SingleEmbeddingLaws):
    name = "dcnv2"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        (interaction,) = model.dense.interactions
        crosses = [
            linear_of(weight[0], bias[0, 0])
            for weight, bias in zip(interaction.weights, interaction.biases, strict=True)
        ]
        return nn.Sequential(CrossNetwork(crosses), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        width = fields * size
        return 4 * (width * width + width) + block_parameters(width, hidden)


class TestOneSetOfLowRank(SingleEmbeddingLaws):
    name = "dcnv2"
    model = {"dcnv2": {"layers": 3, "rank": 2}}  # noqa: RUF012

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        (interaction,) = model.dense.interactions
        layers = zip(interaction.reductions, interaction.weights, interaction.biases, strict=True)
        crosses = [
            nn.Sequential(linear_of(reduction[0]), linear_of(weight[0], bias[0, 0]))
            for reduction, weight, bias in layers
        ]
        return nn.Sequential(CrossNetwork(crosses), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        width = fields * size
        return 3 * (2 * 2 * width + width) + block_parameters(width, hidden)


class TestCrossLayers:
    @pytest.mark.parametrize("layers", [1, 2, 4])
    def test_agree_with_torchrecs_cross_net(self, layers: int) -> None:
        interaction = build("dcnv2", 6, 5, 3, {"dcnv2": {"layers": layers}})
        embeddings = embeddings_for(interaction, 6, 5, 3)
        interaction.projection = nn.Identity()
        found = interaction(embeddings)
        for place in range(3):
            single = CrossNet(30, layers).double()
            for layer in range(layers):
                single.kernels[layer].data = interaction.weights[layer][place].T
                single.bias[layer].data = interaction.biases[layer][place].T
            expected = single(embeddings[place].flatten(1))
            torch.testing.assert_close(found[place], expected, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize(("layers", "rank"), [(1, 1), (2, 4), (4, 30)])
    def test_of_low_rank_agree_with_torchrecs_low_rank_cross_net(
        self, layers: int, rank: int
    ) -> None:
        interaction = build("dcnv2", 6, 5, 3, {"dcnv2": {"layers": layers, "rank": rank}})
        embeddings = embeddings_for(interaction, 6, 5, 3)
        interaction.projection = nn.Identity()
        found = interaction(embeddings)
        for place in range(3):
            single = LowRankCrossNet(30, layers, rank).double()
            for layer in range(layers):
                single.W_kernels[layer].data = interaction.weights[layer][place].T
                single.V_kernels[layer].data = interaction.reductions[layer][place].T
                single.bias[layer].data = interaction.biases[layer][place, 0]
            expected = single(embeddings[place].flatten(1))
            torch.testing.assert_close(found[place], expected, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize("rank", [0, 2])
    def test_have_the_norms_of_their_blocks(self, rank: int) -> None:
        """W_(i->j) of W x, x = [e_1, .., e_F], is the block in row j and column i."""
        interaction = build("dcnv2", 3, 4, 2, {"dcnv2": {"layers": 2, "rank": rank}})
        found = interaction.block_norms()
        assert found.shape == (2, 2, 3, 3)
        for layer in range(2):
            for place in range(2):
                matrix = interaction.weights[layer][place].T
                if rank:
                    matrix = matrix @ interaction.reductions[layer][place].T
                for i in range(3):
                    for j in range(3):
                        block = matrix[4 * j : 4 * j + 4, 4 * i : 4 * i + 4]
                        expected = sum(value**2 for value in block.flatten().tolist())
                        assert found[layer, place, i, j].item() == pytest.approx(expected)

    def test_start_xavier_uniform_for_every_set_with_bias_0(self) -> None:
        torch.manual_seed(0)
        group = GroupSpec(interaction="dcnv2", sets=2, embedding_dim=20)
        interaction = DCNv2(5, group, ModelSpec(hidden_dim=HIDDEN))
        bound = (6 / (100 + 100)) ** 0.5
        for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
            assert weight.abs().max() <= bound
            # 10,000 uniform draws a set: the standard deviation is settled to 1 %.
            expected = torch.full((2,), bound / 3**0.5)
            torch.testing.assert_close(weight.std(dim=(1, 2)), expected, rtol=0.03, atol=0)
            assert torch.equal(bias, torch.zeros(2, 1, 100))

    def test_are_as_many_as_the_spec_says(self) -> None:
        group = GroupSpec(interaction="dcnv2", sets=2, embedding_dim=4)
        default = DCNv2(3, group, ModelSpec())
        two = DCNv2(3, group, ModelSpec(dcnv2=DCNv2Spec(layers=2)))
        assert (len(default.weights), len(two.weights)) == (4, 2)
