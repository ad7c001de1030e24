import pytest
import torch
from interaction_laws import InteractionLaws, assert_agree, build, embeddings_for, hidden_block
from single_embedding_laws import MLP, SingleEmbeddingLaws, block_parameters, set_linear_of
from torch import Tensor, nn

from pipeline.model import row_blocks
from pipeline.model.interactions.xdeepfm import XDeepFM, pair_forms
from pipeline.model.multi_embedding import MultiEmbedding


class TestXDeepFM(InteractionLaws):
    name = "xdeepfm"
    model = {"xdeepfm": {"layers": 2, "maps": 3}}  # noqa: RUF012
    widest = 40 * 64

    def naive(self, interaction: XDeepFM, embeddings: Tensor) -> Tensor:
        """X^l_h = ReLU(sum_ij w_hij (X^(l-1)_i * e_j) + b_h), summed over K; and the DNN."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            flat = torch.stack([torch.cat(list(row)) for row in of_set])
            deep = hidden_block(interaction.projection, place, flat)
            outputs.append(torch.cat([cin(interaction, place, of_set), deep], dim=1))
        return torch.stack(outputs)


def cin(interaction: XDeepFM, place: int, embeddings: Tensor) -> Tensor:
    """Of one set, (B, F, K) -> (B, layers x maps), pair by pair."""
    fields = embeddings.unbind(1)
    maps, pooled = fields, []
    for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
        weights = iter(weight[place].flatten(0, 1).unbind(0))
        sums = bias[place, 0][:, None]
        for right in fields:
            for left in maps:
                sums = sums + next(weights)[:, None] * (left * right)[:, None]
        maps = sums.clamp_min(0).unbind(1)
        pooled += [of_map.sum(1) for of_map in maps]
    return torch.stack(pooled, dim=1)


class Convolutions(nn.Module):
    """The CIN of one set as the original has it: 1 x 1 convolutions of tensors of all pairs."""

    def __init__(self, interaction: XDeepFM) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
            of_pairs = weight[0].detach().permute(2, 1, 0).flatten(1)[:, :, None].clone()
            layer = nn.Conv1d(of_pairs.shape[1], of_pairs.shape[0], kernel_size=1)
            layer.weight.data, layer.bias.data = of_pairs, bias[0, 0].detach().clone()
            self.layers.append(layer)

    def forward(self, embeddings: Tensor) -> Tensor:
        maps, pooled = embeddings, []
        for layer in self.layers:
            pairs = (maps[:, :, None] * embeddings[:, None]).flatten(1, 2)
            maps = layer(pairs).relu()
            pooled.append(maps.sum(2))
        return torch.cat(pooled, dim=1)


class SingleXDeepFM(nn.Module):
    """Linear -> 1 of the CIN, plus a perceptron."""

    def __init__(self, model: MultiEmbedding) -> None:
        super().__init__()
        self.cin = Convolutions(model.dense.interactions[0])
        self.explicit = set_linear_of(model.dense.towers[0].explicit)
        self.mlp = MLP(model)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.explicit(self.cin(embeddings)).squeeze(1) + self.mlp(embeddings.flatten(1))


class TestOneSet(SingleEmbeddingLaws):
    name = "xdeepfm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return SingleXDeepFM(model)

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        cin = (fields * fields * 16 + 16) + (16 * fields * 16 + 16)
        return cin + block_parameters(fields * size, hidden)

    def tower_parameters(self, hidden: int) -> int:
        return 32 + 1 + super().tower_parameters(hidden)


class TestCompressedInteraction:
    def test_of_one_set_is_convolutions_over_all_pairs(self) -> None:
        interaction = build("xdeepfm", 7, 5, 1, {"xdeepfm": {"layers": 3, "maps": 4}})
        embeddings = embeddings_for(interaction, 7, 5, 1)
        found = interaction(embeddings)[0, :, : interaction.streams[0]]
        expected = Convolutions(interaction)(embeddings[0])
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize("numbers", [1, 50, 10**6])
    def test_does_not_depend_on_the_blocks(
        self, numbers: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(row_blocks.BLOCK_NUMBERS, "cpu", numbers)
        left, right, weight = (
            torch.randn(shape, dtype=torch.float64, requires_grad=True)
            for shape in [(2, 11, 3), (2, 11, 5), (2, 5, 3, 4)]
        )
        expected = torch.einsum("mni,mnj,mjih->mnh", left, right, weight)
        found = pair_forms(left, right, weight)
        assert_agree(found, expected, [left, right, weight])
        square = torch.randn(2, 5, 5, 4, dtype=torch.float64, requires_grad=True)
        expected = torch.einsum("mni,mnj,mjih->mnh", right, right, square)
        assert_agree(pair_forms(right, right, square), expected, [right, square])

    def test_starts_as_a_convolution_does(self) -> None:
        torch.manual_seed(0)
        interaction = build("xdeepfm", 30, 2, 2, {"xdeepfm": {"layers": 2, "maps": 20}})
        for weight, inputs in zip(interaction.weights, (30 * 30, 30 * 20), strict=True):
            bound = inputs**-0.5
            assert weight.abs().max() <= bound
            expected = torch.full((2,), bound / 3**0.5, dtype=torch.float64)
            torch.testing.assert_close(weight.std(dim=(1, 2, 3)), expected, rtol=0.03, atol=0)

    def test_computes_in_float32_on_cpus_under_autocast_too(self) -> None:
        left, right, weight = (
            torch.randn(shape, requires_grad=True)
            for shape in [(2, 64, 3), (2, 64, 5), (2, 5, 3, 4)]
        )
        exact = pair_forms(left, right, weight)
        with torch.autocast("cpu", torch.bfloat16):
            found = pair_forms(left, right, weight)
        assert torch.equal(found, exact)

    def test_accumulates_the_gradients_of_bf16_in_float32(self) -> None:
        left, right = (torch.randn(shape, requires_grad=True) for shape in [(2, 64, 3), (2, 64, 5)])
        weight = torch.randn(2, 5, 3, 4, requires_grad=True)
        pair_forms(left.bfloat16(), right.bfloat16(), weight).float().square().sum().backward()
        exact = pair_forms(left, right, weight)
        gradient = torch.autograd.grad(exact.square().sum(), weight)[0]
        assert weight.grad is not None
        assert weight.grad.dtype == torch.float32
        # bf16 keeps 8 bits; three roundings in a row.
        assert (weight.grad - gradient).norm() <= 0.02 * gradient.norm()
