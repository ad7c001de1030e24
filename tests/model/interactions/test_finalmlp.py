import torch
from interaction_laws import InteractionLaws, hidden_block
from single_embedding_laws import SingleEmbeddingLaws, block_of, block_parameters, set_linear_of
from torch import Tensor, nn

from pipeline.model.interactions.finalmlp import FinalMLP
from pipeline.model.multi_embedding import MultiEmbedding


class TestFinalMLP(InteractionLaws):
    name = "finalmlp"
    widest = 40 * 64

    def naive(self, interaction: FinalMLP, embeddings: Tensor) -> Tensor:
        """Two hidden blocks of [e_1, .., e_F] for each stream and set."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            flat = torch.stack([torch.cat(list(row)) for row in of_set])
            streams = []
            for blocks in (interaction.first, interaction.second):
                hidden = flat
                for block in blocks:
                    hidden = hidden_block(block, place, hidden)
                streams.append(hidden)
            outputs.append(torch.cat(streams, dim=1))
        return torch.stack(outputs)


class TwoStreams(nn.Module):
    """w_x . x + w_y . y + b + x^T W_xy y of two perceptrons."""

    def __init__(self, model: MultiEmbedding) -> None:
        super().__init__()
        (interaction,), (tower,) = model.dense.interactions, model.dense.towers
        self.first = nn.Sequential(*map(block_of, interaction.first))
        self.second = nn.Sequential(*map(block_of, interaction.second))
        self.linear = set_linear_of(tower.linear)
        hidden = tower.bilinear.shape[1]
        self.bilinear = nn.Bilinear(hidden, hidden, 1, bias=False)
        self.bilinear.weight.data = tower.bilinear.detach().clone()

    def forward(self, embeddings: Tensor) -> Tensor:
        x, y = self.first(embeddings.flatten(1)), self.second(embeddings.flatten(1))
        return (self.linear(torch.cat([x, y], dim=1)) + self.bilinear(x, y)).squeeze(1)


class TestOneSet(SingleEmbeddingLaws):
    name = "finalmlp"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return TwoStreams(model)

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return 2 * (block_parameters(fields * size, hidden) + block_parameters(hidden, hidden))

    def tower_parameters(self, hidden: int) -> int:
        return 2 * hidden + 1 + hidden * hidden
