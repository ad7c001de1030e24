"""The mean over all sets."""

from collections.abc import Sequence

import torch

from pipeline.model.heads.head import Gate, Head, HeadInputs
from pipeline.spec_model import ModelSpec


class MeanHead(Head):
    """h = (1 / S) sum_s h_s, the paper's head (Section 5.1)."""

    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__(inputs, spec)

    def forward(self, embeddings: Sequence[torch.Tensor]) -> Gate | None:
        """None: every expert weighs 1 / S."""
        return None
