"""DNN: the flattened embeddings through a multilayer perceptron."""

import torch

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class DNN(Interaction):
    """h = hidden block of [e_1, .., e_F]: (M, B, F, K) -> (M, B, H)."""

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        width = fields * group.embedding_dim
        self.streams = (spec.hidden_dim,)
        self.projection = HiddenBlock(
            group.sets, width, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        return self.projection(embeddings.flatten(2))
