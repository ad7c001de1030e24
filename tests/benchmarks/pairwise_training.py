"""Training as public click models write it: set by set, with a tensor of all field pairs.

What ``bench_train.py`` compares the product with. Each set has one ``nn.Embedding`` over the ids of
all fields with a dense gradient, and an interaction of its own called in a loop; Adam with L2 moves
every row of every table at every step.
"""

from collections.abc import Callable

import torch
from torch import nn

HIDDEN, DROPOUT = 400, 0.2


def _hidden_block(in_features: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(in_features, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)
    )


class _Products(nn.Module):
    """IPNN: a tensor (B, pairs, K) of products."""

    def __init__(self, fields: int, embedding_dim: int) -> None:
        super().__init__()
        self.rows, self.columns = torch.triu_indices(fields, fields, offset=1)
        self.projection = _hidden_block(len(self.rows))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        products = (embeddings[:, self.rows] * embeddings[:, self.columns]).sum(dim=2)
        return self.projection(products)


class _WeightedProducts(nn.Module):
    """NFwFM: a tensor (B, F, F, K) of products."""

    def __init__(self, fields: int, embedding_dim: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(fields, fields))
        self.norm, self.dropout = nn.BatchNorm1d(embedding_dim), nn.Dropout(DROPOUT)
        self.projection = _hidden_block(embedding_dim)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        pairs = embeddings[:, :, None] * embeddings[:, None] * self.weights[None, :, :, None]
        pooled = self.dropout(self.norm(pairs.sum(dim=(1, 2))))
        return self.projection(pooled)


class _CompressedInteractions(nn.Module):
    """xDeepFM: two layers of 16 maps, 1 x 1 convolutions over all pairs, and the DNN stream."""

    def __init__(self, fields: int, embedding_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(maps * fields, 16, kernel_size=1) for maps in (fields, 16)
        )
        self.projection = _hidden_block(fields * embedding_dim)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        maps, pooled = embeddings, []
        for layer in self.layers:
            pairs = maps[:, :, None] * embeddings[:, None]
            maps = layer(pairs.flatten(1, 2)).relu()
            pooled.append(maps.sum(dim=2))
        return torch.cat([*pooled, self.projection(embeddings.flatten(1))], dim=1)


class _TwoStreams(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Linear(32, 1)
        self.deep = _one_stream()

    def forward(self, mixed: torch.Tensor) -> torch.Tensor:
        logit: torch.Tensor = self.maps(mixed[:, :32]) + self.deep(mixed[:, 32:])
        return logit


def _one_stream() -> nn.Module:
    return nn.Sequential(_hidden_block(HIDDEN), nn.Linear(HIDDEN, 1))


# One set's interaction from (fields, embedding_dim), and the tower.
PAIRWISE: dict[str, tuple[Callable[[int, int], nn.Module], Callable[[], nn.Module]]] = {
    "ipnn": (_Products, _one_stream),
    "nfwfm": (_WeightedProducts, _one_stream),
    "xdeepfm": (_CompressedInteractions, _TwoStreams),
}


class PairwiseTraining:
    """A multi-embedding model of one of ``PAIRWISE`` and its optimizer.

    Args:
        interaction: a key of ``PAIRWISE``.
        cardinalities: ids of each field.
        sets: M.
        embedding_dim: K.

    Attributes:
        dense: parameters outside the tables.
    """

    def __init__(
        self, interaction: str, cardinalities: list[int], sets: int, embedding_dim: int
    ) -> None:
        ends = torch.tensor(cardinalities).cumsum(0)
        self.offsets = ends - torch.tensor(cardinalities)
        self.tables = nn.ModuleList(nn.Embedding(int(ends[-1]), embedding_dim) for _ in range(sets))
        for table in self.tables:
            nn.init.xavier_uniform_(table.weight)
        build, build_tower = PAIRWISE[interaction]
        self.interactions = nn.ModuleList(
            build(len(cardinalities), embedding_dim) for _ in range(sets)
        )
        self.tower = build_tower()
        modules = nn.ModuleList([self.tables, self.interactions, self.tower])
        self.optimizer = torch.optim.Adam(modules.parameters(), lr=1e-3, weight_decay=1e-6)
        self.dense = sum(value.numel() for value in nn.ModuleList([*modules[1:]]).parameters())

    def step(self, ids: torch.Tensor, labels: torch.Tensor) -> None:
        """One step on ids (B, F) of each field and labels (B,)."""
        rows = ids + self.offsets
        outputs = [
            interaction(table(rows))
            for table, interaction in zip(self.tables, self.interactions, strict=True)
        ]
        logits = self.tower(torch.stack(outputs).mean(dim=0)).squeeze(1)
        self.optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
        self.optimizer.step()
