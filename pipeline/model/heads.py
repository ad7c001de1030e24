"""Heads: the outputs of all sets -> one representation, (S, B, H) -> (B, H)."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.spec import GroupSpec


class MeanHead(nn.Module):
    """h = (1 / S) sum_s h_s, the paper's head (Section 5.1)."""

    def forward(self, outputs: torch.Tensor, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S, B, H) -> (B, H); ``embeddings`` play no part."""
        return outputs.mean(dim=0)


class GateHead(nn.Module):
    """Mixture of experts with a dense softmax gate: h = sum_s g_s h_s, g = softmax(W x + b).

    x is every set's embeddings of every field; W and b start at 0, so that training starts from
    the mean head. Pan et al., 'Ads Recommendation in a Collapsed and Entangled World', KDD 2024.
    """

    def __init__(self, fields: int, groups: Sequence[GroupSpec]) -> None:
        super().__init__()
        experts = sum(group.sets for group in groups)
        self.weights = nn.ParameterList(
            torch.zeros(group.sets, fields * group.embedding_dim, experts) for group in groups
        )
        self.bias = nn.Parameter(torch.zeros(experts))

    def gate(self, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """Embeddings by group, each (M, B, F, K) -> the experts' weights (B, S)."""
        logits: torch.Tensor = self.bias
        for sets, weight in zip(embeddings, self.weights, strict=True):
            logits = logits + torch.bmm(sets.flatten(2), weight).sum(dim=0)
        return logits.softmax(dim=-1)

    def forward(self, outputs: torch.Tensor, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """(S, B, H) and the embeddings by group -> (B, H)."""
        weights = self.gate(embeddings).T.unsqueeze(-1)
        return (weights * outputs).sum(dim=0)
