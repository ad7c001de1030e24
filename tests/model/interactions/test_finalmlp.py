import torch
from interaction_laws import InteractionLaws, hidden_block
from torch import Tensor

from pipeline.model.interactions.finalmlp import FinalMLP


class TestFinalMLP(InteractionLaws):
    name = "finalmlp"

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
