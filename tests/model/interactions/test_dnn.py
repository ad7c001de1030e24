import torch
from interaction_laws import InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import MLP, SingleEmbeddingLaws, block_parameters
from torch import Tensor, nn

from pipeline.model.interactions.dnn import DNN
from pipeline.model.multi_embedding import MultiEmbedding


class TestDNN(InteractionLaws):
    name = "dnn"
    widest = 40 * 64

    def naive(self, interaction: DNN, embeddings: Tensor) -> Tensor:
        """ReLU(BatchNorm([e_1, .., e_F] W)) for each set."""
        rows = [torch.stack([torch.cat(list(row)) for row in of_set]) for of_set in embeddings]
        return torch.stack(
            [hidden_block(interaction.projection, place, x) for place, x in enumerate(rows)]
        )


class TestOneSet(SingleEmbeddingLaws):
    name = "dnn"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return nn.Sequential(nn.Flatten(), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return block_parameters(fields * size, hidden)


def test_a_linear_interaction_of_sets_would_be_one_wide_set() -> None:
    """Appendix E: without its non-linearity, the mean over M sets is one set of M K columns."""
    interaction = build("dnn", 4, 3, 5)
    embeddings = embeddings_for(interaction, 4, 3, 5)
    linear = interaction.projection[0]
    mean = linear(embeddings.flatten(2)).mean(dim=0)
    wide = embeddings.flatten(2).permute(1, 0, 2).flatten(1)
    one = wide @ (linear.weight / 5).flatten(0, 1)
    torch.testing.assert_close(mean, one)
    outputs = interaction(embeddings).mean(dim=0)
    assert not torch.allclose(outputs, one)
