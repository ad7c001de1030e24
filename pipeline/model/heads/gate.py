"""Mixture of experts with a dense softmax gate for every task."""

from collections.abc import Sequence

import torch

from pipeline.model.heads.gate_inputs import GateScores
from pipeline.model.heads.head import Gate, Head, HeadInputs
from pipeline.spec_model import ModelSpec


class GateHead(Head):
    """h = sum_s g_s h_s, g = softmax(W x + b), with W and b of each task's own.

    They start at 0, so that training starts from the mean head.
    Pan et al., 'Ads Recommendation in a Collapsed and Entangled World', KDD 2024.
    """

    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__(inputs, spec)
        self.scores = GateScores(inputs, spec)

    def forward(self, embeddings: Sequence[torch.Tensor]) -> Gate:
        """Embeddings (M, B, F, C) -> weights (T, S, B) that sum to 1 over S."""
        return Gate(self.scores(embeddings).softmax(dim=1), None)
