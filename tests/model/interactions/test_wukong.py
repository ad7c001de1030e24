import pytest
import torch
from interaction_laws import HIDDEN, InteractionLaws, build, embeddings_for, hidden_block
from torch import Tensor, nn

from pipeline.model.interactions.wukong import Wukong


class TestWukong(InteractionLaws):
    name = "wukong"
    model = {"wukong": {"layers": 3, "width": 3, "rank": 2}}  # noqa: RUF012

    def naive(self, interaction: Wukong, embeddings: Tensor) -> Tensor:
        """X' = LN([FMB(X); LCB(X)] + R(X)) for each set and row, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            made = []
            for row in of_set:
                for layer in interaction.layers:
                    row = wukong_layer(layer, place, row)
                made.append(row.flatten())
            outputs.append(hidden_block(interaction.projection, place, torch.stack(made)))
        return torch.stack(outputs)


def wukong_layer(layer: nn.Module, place: int, x: Tensor) -> Tensor:
    """X (n, K) -> X' (2 w, K), from the paper's formulas."""
    norm, first, _, second = layer.crosses
    y = layer.reduce.weight[place]
    products = (x @ x.T @ y).flatten()
    normal = layer_norm(norm, place, products)
    hidden = (normal @ first.weight[place] + first.bias[place, 0]).clamp_min(0)
    # The MLP's outputs are ordered by k, then embedding.
    crosses = (hidden @ second.weight[place] + second.bias[place, 0]).view(x.shape[1], -1).T
    compressed = layer.compress.weight[place].T @ x
    residual = x if isinstance(layer.residual, nn.Identity) else layer.residual.weight[place].T @ x
    joined = torch.cat([crosses, compressed]) + residual
    return torch.stack([layer_norm(layer.norm, place, row) for row in joined])


def layer_norm(norm: nn.Module, place: int, values: Tensor) -> Tensor:
    """Of a vector."""
    centred = values - values.mean()
    normal = centred / (centred.square().mean() + 1e-5).sqrt()
    scaled = normal * norm.weight[place, 0]
    return scaled if norm.bias is None else scaled + norm.bias[place, 0]


class TestLayers:
    def test_keep_the_embeddings_as_the_residual_where_their_number_stays(self) -> None:
        interaction = build("wukong", 6, 4, 2, {"wukong": {"layers": 2, "width": 3, "rank": 2}})
        assert all(isinstance(layer.residual, nn.Identity) for layer in interaction.layers)
        other = build("wukong", 7, 4, 2, {"wukong": {"layers": 2, "width": 3, "rank": 2}})
        kinds = [isinstance(layer.residual, nn.Identity) for layer in other.layers]
        assert kinds == [False, True]

    @pytest.mark.parametrize("layers", [1, 3])
    def test_are_as_many_as_the_spec_says(self, layers: int) -> None:
        assert len(build("wukong", 5, 4, 1, {"wukong": {"layers": layers}}).layers) == layers

    def test_double_the_order_of_the_crosses(self) -> None:
        """Before normalisation the first layer's crosses are products of two embeddings."""
        interaction = build("wukong", 5, 4, 1, {"wukong": {"layers": 1, "width": 3, "rank": 2}})
        layer = interaction.layers[0]
        layer.crosses[0] = nn.Identity()
        layer.crosses[1].bias.data.zero_()
        layer.crosses[3].bias.data.zero_()
        layer.norm = nn.Identity()
        layer.compress.weight.data.zero_()
        layer.residual.weight.data.zero_()
        embeddings = embeddings_for(interaction, 5, 4, 1)
        one, two = layer(embeddings), layer(2 * embeddings)
        assert one.abs().max() > 0
        torch.testing.assert_close(two, 4 * one)
        assert interaction.projection[0].weight.shape == (1, 2 * 3 * 4, HIDDEN)
