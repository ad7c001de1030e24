"""The tower of xDeepFM."""

from collections.abc import Sequence

import torch

from pipeline.model.layers import HiddenBlock, SetLinear
from pipeline.model.towers.tower import Tower, two_streams
from pipeline.spec_model import ModelSpec


class XDeepFMTower(Tower):
    """Linear -> 1 of stream 1 plus hidden block, Linear -> 1 of stream 2.

    Lian et al., 'xDeepFM', KDD 2018, Section 3, without the linear part.
    """

    def __init__(self, tasks: int, streams: Sequence[int], spec: ModelSpec) -> None:
        super().__init__(tasks, streams, spec)
        self._streams = two_streams("xdeepfm", streams)
        first, second = self._streams
        self.explicit = SetLinear(tasks, first, 1)
        self.hidden = HiddenBlock(tasks, second, spec.hidden_dim, spec.normalization, spec.dropout)
        self.logit = SetLinear(tasks, spec.hidden_dim, 1)

    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(T, B, H) -> (T, B)."""
        explicit, deep = representation.split(self._streams, dim=2)
        return (self.explicit(explicit) + self.logit(self.hidden(deep))).squeeze(2)
