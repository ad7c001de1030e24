import pytest
import torch
from interaction_laws import HIDDEN, InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import (
    MLP,
    SingleEmbeddingLaws,
    block_parameters,
    linear_of,
    set_linear_of,
)
from torch import Tensor, nn

from pipeline.console import InputError
from pipeline.model.interactions.wukong import Wukong
from pipeline.model.multi_embedding import MultiEmbedding


class TestWukong(InteractionLaws):
    name = "wukong"
    model = {"wukong": {"layers": 3, "width": 3, "rank": 2}}  # noqa: RUF012
    widest = 40 * 64
    narrowest = 2

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


class SingleLayer(nn.Module):
    """A layer for one set: (B, n, K) -> (B, 2 w, K)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        same = isinstance(layer.residual, nn.Identity)
        self.compress, self.reduce = set_linear_of(layer.compress), set_linear_of(layer.reduce)
        self.residual = nn.Identity() if same else set_linear_of(layer.residual)
        first, second = layer.crosses[1], layer.crosses[3]
        self.crosses = nn.Sequential(
            nn.LayerNorm(layer.crosses[0].weight.shape[2]),
            linear_of(first.weight[0], first.bias[0, 0]),
            nn.ReLU(),
            linear_of(second.weight[0], second.bias[0, 0]),
        )
        self.norm = nn.LayerNorm(layer.norm.weight.shape[2], bias=layer.norm.bias is not None)

    def forward(self, x: Tensor) -> Tensor:
        turned = x.transpose(1, 2)
        products = torch.einsum("bik,bjk,rj->bir", x, x, self.reduce.weight)
        crosses = self.crosses(products.flatten(1)).view(len(x), x.shape[2], -1)
        joined = torch.cat([crosses, self.compress(turned)], dim=2) + self.residual(turned)
        return self.norm(joined.transpose(1, 2))


class TestOneSet(SingleEmbeddingLaws):
    name = "wukong"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        layers = map(SingleLayer, model.dense.interactions[0].layers)
        return nn.Sequential(*layers, nn.Flatten(), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        width, rank, total = 16, 8, 0
        for read in (fields, 2 * width):
            linear = read * width + read * rank + (0 if read == 2 * width else read * 2 * width)
            products = read * rank
            crosses = 2 * products + products * hidden + hidden
            total += linear + crosses + hidden * width * size + width * size + 2 * size
        # The last layer has no shift.
        return total - size + block_parameters(2 * width * size, hidden)


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


def test_an_embedding_of_one_number_is_refused() -> None:
    with pytest.raises(InputError, match="wukong normalises the numbers of an embedding"):
        build("wukong", 3, 1, 2)
