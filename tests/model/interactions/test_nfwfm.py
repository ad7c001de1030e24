import pytest
import torch
from interaction_laws import ROWS, InteractionLaws, build, hidden_block
from single_embedding_laws import MLP, SingleEmbeddingLaws, block_parameters
from torch import Tensor, nn

from pipeline.console import InputError
from pipeline.model.interactions.nfwfm import NFwFM
from pipeline.model.multi_embedding import MultiEmbedding


class TestNFwFM(InteractionLaws):
    name = "nfwfm"
    widest = 40 * 64

    def naive(self, interaction: NFwFM, embeddings: Tensor) -> Tensor:
        """sum_ij r_ij (e_i * e_j) of each set, batch normalisation, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            weights = [weight.unbind(0) for weight in interaction.weights[place]]
            pooled = pooled_pairs(weights, of_set)
            norm = interaction.normalization
            centred = pooled - pooled.sum(0) / ROWS
            normal = centred / (centred.square().sum(0) / ROWS + 1e-5).sqrt()
            normal = normal * norm.weight[place] + norm.bias[place]
            outputs.append(hidden_block(interaction.projection, place, normal))
        return torch.stack(outputs)


def pooled_pairs(weights: list[tuple[Tensor, ...]], of_set: Tensor) -> Tensor:
    """(B, F, K) -> (B, K), pair by pair."""
    fields = of_set.unbind(1)
    total = torch.zeros_like(fields[0])
    for i, left in enumerate(fields):
        for j, right in enumerate(fields):
            total = total + weights[i][j] * (left * right)
    return total


class WeightedPairs(nn.Module):
    """A tensor (B, F, F, K) of all ordered pairs, weighted and added up."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.detach().clone())

    def forward(self, embeddings: Tensor) -> Tensor:
        pairs = embeddings[:, :, None] * embeddings[:, None]
        return (self.weights[:, :, None] * pairs).sum(dim=(1, 2))


class TestOneSet(SingleEmbeddingLaws):
    name = "nfwfm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        (interaction,) = model.dense.interactions
        size = interaction.normalization.weight.shape[2]
        return nn.Sequential(
            WeightedPairs(interaction.weights[0]), nn.BatchNorm1d(size), MLP(model)
        )

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return fields * fields + 2 * size + block_parameters(size, hidden)


def test_weights_start_from_the_standard_normal_distribution() -> None:
    torch.manual_seed(0)
    weights = build("nfwfm", 40, 1, 10).weights
    # 16,000 draws settle mean and deviation to about 1 %.
    assert abs(weights.mean().item()) < 0.03
    assert abs(weights.std().item() - 1) < 0.03


def test_sums_keep_float32s_precision_under_autocast() -> None:
    interaction = build("nfwfm", 2, 1, 1).float()
    interaction.normalization = nn.Identity()
    interaction.weights.data = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])
    seen = []
    interaction.projection.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.autocast("cpu", torch.bfloat16):
        interaction(torch.tensor([[[[100.0], [100.01]]]]))
    # 100^2 - 100.01^2, of which bf16 would keep nothing.
    assert abs(seen[0].item() + 2.0001) <= 1e-2


def test_a_pool_of_one_number_is_refused_by_layer_normalization_alone() -> None:
    with pytest.raises(InputError, match="nfwfm pools all pairs into embedding_dim numbers"):
        build("nfwfm", 3, 1, 2, {"normalization": "layer"})
    build("nfwfm", 3, 1, 2, {"normalization": "batch"})
