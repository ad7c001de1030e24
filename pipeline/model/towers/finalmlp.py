"""The tower of FinalMLP."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.layers import SetLinear
from pipeline.model.towers.tower import Tower, two_streams
from pipeline.spec_model import ModelSpec


class FinalMLPTower(Tower):
    """Bilinear fusion of the streams x and y: w_x . x + w_y . y + x^T W_xy y + b.

    W_xy starts at 0. Mao et al., 'FinalMLP', AAAI 2023, bilinear fusion with one head.
    """

    def __init__(self, tasks: int, streams: Sequence[int], spec: ModelSpec) -> None:
        super().__init__(tasks, streams, spec)
        self._streams = two_streams("finalmlp", streams)
        self.linear = SetLinear(tasks, sum(streams), 1)
        self.bilinear = nn.Parameter(torch.zeros(tasks, *streams))

    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(T, B, H) -> (T, B)."""
        first, second = representation.split(self._streams, dim=2)
        crossed = (torch.bmm(first, self.bilinear) * second).sum(dim=2)
        return self.linear(representation).squeeze(2) + crossed
