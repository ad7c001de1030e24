"""IPNN, NFwFM and xDeepFM as they are often written: set by set, with a tensor of all pairs.

What ``bench_train.py`` compares the product's interactions with; it names them by import path.
"""

import torch
from torch import nn

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class SetBySet(Interaction):
    """A module a set, one after the other."""

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.streams = (spec.hidden_dim,)
        self.sets = nn.ModuleList(
            self.one_set(fields, group.embedding_dim, spec) for _ in range(group.sets)
        )

    def one_set(self, fields: int, embedding_dim: int, spec: ModelSpec) -> nn.Module:
        """(B, F, K) -> (B, H)."""
        raise TypeError(f"{type(self).__name__} says what one set is")

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        return torch.stack([one(of_set) for one, of_set in zip(self.sets, embeddings, strict=True)])


def _projection(width: int, spec: ModelSpec) -> nn.Module:
    return HiddenBlock(1, width, spec.hidden_dim, spec.normalization, spec.dropout)


class _Products(nn.Module):
    def __init__(self, fields: int, spec: ModelSpec) -> None:
        super().__init__()
        self.rows, self.columns = torch.triu_indices(fields, fields, offset=1)
        self.projection = _projection(len(self.rows), spec)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        products = (embeddings[:, self.rows] * embeddings[:, self.columns]).sum(dim=2)
        return self.projection(products.unsqueeze(0)).squeeze(0)


class PairwiseIPNN(SetBySet):
    """A tensor (B, pairs, K) of products."""

    def one_set(self, fields: int, embedding_dim: int, spec: ModelSpec) -> nn.Module:
        """(B, F, K) -> (B, H)."""
        return _Products(fields, spec)


class _WeightedProducts(nn.Module):
    def __init__(self, fields: int, embedding_dim: int, spec: ModelSpec) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(fields, fields))
        self.norm, self.dropout = nn.BatchNorm1d(embedding_dim), nn.Dropout(spec.dropout)
        self.projection = _projection(embedding_dim, spec)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        pairs = embeddings[:, :, None] * embeddings[:, None] * self.weights[None, :, :, None]
        pooled = self.dropout(self.norm(pairs.sum(dim=(1, 2))))
        return self.projection(pooled.unsqueeze(0)).squeeze(0)


class PairwiseNFwFM(SetBySet):
    """A tensor (B, F, F, K) of products."""

    def one_set(self, fields: int, embedding_dim: int, spec: ModelSpec) -> nn.Module:
        """(B, F, K) -> (B, H)."""
        return _WeightedProducts(fields, embedding_dim, spec)


class _CompressedInteractions(nn.Module):
    """Two layers of 16 maps, each a 1 x 1 convolution over all pairs, and the DNN stream."""

    def __init__(self, fields: int, embedding_dim: int, spec: ModelSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(maps * fields, 16, kernel_size=1) for maps in (fields, 16)
        )
        self.projection = _projection(fields * embedding_dim, spec)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        maps, pooled = embeddings, []
        for layer in self.layers:
            pairs = maps[:, :, None] * embeddings[:, None]
            maps = layer(pairs.flatten(1, 2)).relu()
            pooled.append(maps.sum(dim=2))
        deep = self.projection(embeddings.flatten(1).unsqueeze(0)).squeeze(0)
        return torch.cat([*pooled, deep], dim=1)


class PairwiseXDeepFM(SetBySet):
    """A tensor (B, maps x F, K) of products a layer."""

    tower = "xdeepfm"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.streams = (32, spec.hidden_dim)

    def one_set(self, fields: int, embedding_dim: int, spec: ModelSpec) -> nn.Module:
        """(B, F, K) -> (B, 32 + H)."""
        return _CompressedInteractions(fields, embedding_dim, spec)
