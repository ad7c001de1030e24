"""The tower of interactions that are logits but for a constant."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.towers.tower import Tower
from pipeline.spec_model import ModelSpec


class SumTower(Tower):
    """y = w_0 + sum_h x_h, with w_0 of each task's own, from 0: (T, B, H) -> (T, B)."""

    def __init__(self, tasks: int, streams: Sequence[int], spec: ModelSpec) -> None:
        super().__init__(tasks, streams, spec)
        self.bias = nn.Parameter(torch.zeros(tasks, 1))

    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(T, B, H) -> (T, B)."""
        return representation.sum(dim=2) + self.bias
