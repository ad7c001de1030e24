"""FinalMLP: two multilayer perceptrons whose outputs a bilinear tower joins."""

import torch
from torch import nn

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class FinalMLP(Interaction):
    """Two streams, each two hidden blocks of [e_1, .., e_F]: (M, B, F, K) -> (M, B, 2 hidden_dim).

    Without the original's feature gating, as in the paper's code. The tower ``finalmlp`` follows.
    Mao et al., 'FinalMLP', AAAI 2023.
    """

    tower = "finalmlp"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        width = fields * group.embedding_dim
        self.streams = (spec.hidden_dim, spec.hidden_dim)
        self.first = _stream(group.sets, width, spec)
        self.second = _stream(group.sets, width, spec)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, 2 hidden_dim)."""
        flat = embeddings.flatten(2)
        return torch.cat([self.first(flat), self.second(flat)], dim=2)


def _stream(sets: int, width: int, spec: ModelSpec) -> nn.Sequential:
    return nn.Sequential(
        HiddenBlock(sets, width, spec.hidden_dim, spec.normalization, spec.dropout),
        HiddenBlock(sets, spec.hidden_dim, spec.hidden_dim, spec.normalization, spec.dropout),
    )
