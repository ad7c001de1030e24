"""NFwFM: field-weighted products of all pairs of fields, pooled into one embedding."""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import Dropout, HiddenBlock, set_normalization
from pipeline.spec_model import GroupSpec, ModelSpec


class _WeightedPooling(torch.autograd.Function):
    """sum_ij r_ij (e_i * e_j), all ordered pairs: (M, B, F, K) and (M, F, F) -> (M, B, K).

    With s_i = sum_j (r_ij + r_ji) e_j it is sum_i e_i * s_i / 2, and the gradient of e_i is
    g * s_i, so one product serves both ways, where torch would derive another. Forward and backward
    of (4, 2048, 39, 50) took 130 ms on one core instead of 175, besides page faults.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, embeddings: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        by_field = embeddings.transpose(1, 2).flatten(2)
        sums = torch.bmm(weights + weights.transpose(1, 2), by_field)
        ctx.save_for_backward(by_field, sums)
        return ((by_field * sums).sum(dim=1) / 2).unflatten(1, (embeddings.shape[1], -1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        by_field, sums = ctx.saved_tensors
        weight = gradient.flatten(1).unsqueeze(1)
        by_weights = torch.bmm(by_field * weight, by_field.transpose(1, 2))
        by_embeddings = (sums * weight).unflatten(2, gradient.shape[1:]).transpose(1, 2)
        return by_embeddings, by_weights


class NFwFM(Interaction):
    """p = sum_ij r_ij (e_i * e_j), h = hidden block of Dropout(BatchNorm(p)).

    The sum is over all ordered pairs, i = j too, as in the authors' code; r (M, F, F) starts from
    N(0, 1). (M, B, F, K) -> p (M, B, K) -> (M, B, H). The pooling leaves K numbers of F K, so the
    paper gives NFwFM K = 50. Sums are in float32 under autocast.
    He & Chua, 'Neural Factorization Machines', SIGIR 2017, eq. 4, with the weights of Pan et al.,
    'Field-weighted Factorization Machines', WWW 2018, eq. 4.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, size = group.sets, group.embedding_dim
        self.streams = (spec.hidden_dim,)
        self.weights = nn.Parameter(torch.randn(sets, fields, fields))
        self.normalization = set_normalization(spec.normalization, sets, size)
        self.dropout = Dropout(spec.dropout)
        self.projection = HiddenBlock(sets, size, spec.hidden_dim, spec.normalization, spec.dropout)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            pooled = _WeightedPooling.apply(embeddings, self.weights)
        return self.projection(self.dropout(self.normalization(pooled)))
