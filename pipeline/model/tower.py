"""The tower: the head's representation -> the logit, (B, H) -> (B,)."""

import torch
from torch import nn

from pipeline.model.layers import HiddenBlock, SetLinear
from pipeline.spec import ModelSpec


class Tower(nn.Module):
    """One hidden block, then Linear -> 1.

    The paper's MLP has two hidden blocks; the interaction's projection is the first of them.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width = spec.hidden_dim
        self.hidden = HiddenBlock(1, width, width, spec.normalization, spec.dropout)
        self.logit = SetLinear(1, width, 1)

    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(B, H) -> (B,)."""
        return self.logit(self.hidden(representation.unsqueeze(0))).flatten()
