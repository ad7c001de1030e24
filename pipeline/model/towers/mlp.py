"""The multilayer perceptron that follows most interactions."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.layers import HiddenBlock, SetLinear
from pipeline.model.towers.tower import Tower
from pipeline.spec_model import ModelSpec


class MLPTower(Tower):
    """Hidden blocks, one unless ``tower_blocks`` says more, then Linear -> 1.

    The paper's MLP has two hidden blocks; the interaction's projection is the first of them.
    """

    def __init__(self, tasks: int, streams: Sequence[int], spec: ModelSpec) -> None:
        super().__init__(tasks, streams, spec)
        self.hidden = HiddenBlock(
            tasks, sum(streams), spec.hidden_dim, spec.normalization, spec.dropout
        )
        self.deeper = nn.Sequential(
            *(
                HiddenBlock(
                    tasks, spec.hidden_dim, spec.hidden_dim, spec.normalization, spec.dropout
                )
                for _ in range(spec.tower_blocks - 1)
            )
        )
        self.logit = SetLinear(tasks, spec.hidden_dim, 1)

    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(T, B, H) -> (T, B)."""
        return self.logit(self.deeper(self.hidden(representation))).squeeze(2)
