"""The multi-embedding model, and the task that trains it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import nn
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.batch import Batch
from pipeline.data.manifest import Field
from pipeline.model.embedding_sets import EmbeddingSets
from pipeline.model.heads import GateHead, MeanHead
from pipeline.model.interactions import build_interaction
from pipeline.model.tower import Tower
from pipeline.spec import ModelSpec

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class ParameterCount:
    """Trainable numbers, without the tables' padding columns."""

    embedding: int
    dense: int


class Prediction(NamedTuple):
    """A rank's outcome of one batch: the loss (), then logits, labels and weights (B,)."""

    loss: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


class DensePart(nn.Module):
    """All that follows the lookup: interactions (S, B, H) -> head (B, H) -> tower (B,).

    Args:
        fields: F.
        spec: the groups, the head and the sizes.
        precision: ``bf16`` computes under autocast; parameters stay float32.
    """

    def __init__(self, fields: int, spec: ModelSpec, precision: Precision) -> None:
        super().__init__()
        groups = spec.resolved_groups
        self.interactions = nn.ModuleList(
            build_interaction(fields, group, spec) for group in groups
        )
        self.head = GateHead(fields, groups) if spec.head == "gate" else MeanHead()
        self.tower = Tower(spec)
        self._autocast = precision == "bf16"

    def forward(self, embeddings: list[torch.Tensor]) -> torch.Tensor:
        """Embeddings by group, each (M, B, F, K) -> float32 logits (B,)."""
        device = embeddings[0].device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
            outputs = [
                interaction(sets)
                for interaction, sets in zip(self.interactions, embeddings, strict=True)
            ]
            logits = self.tower(self.head(torch.cat(outputs), embeddings))
        return logits.float()


class MultiEmbedding(nn.Module):
    """M embedding sets, each with an interaction of its own, joined by a head (Section 5).

    ids (F fields, B rows) -> embedding sets (M, B, F, K) by group -> dense part -> logits (B,).
    Single-embedding is one group of one set.

    Args:
        fields: in the dataset's order.
        spec: the architecture.
        precision: of the dense part.
        device: of the tables; ``meta`` until they are sharded.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        spec: ModelSpec,
        precision: Precision = "fp32",
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.embedding_sets = EmbeddingSets(fields, spec, device)
        self.dense = DensePart(len(fields), spec, precision)

    def forward(self, features: KeyedJaggedTensor) -> torch.Tensor:
        """Ids -> float32 logits (B,)."""
        return self.dense(self.embedding_sets(features))

    def count_parameters(self) -> ParameterCount:
        """Trainable numbers of the unsharded model."""
        tables = sum(table.rows * table.columns for table in self.embedding_sets.tables)
        dense = sum(parameter.numel() for parameter in self.dense.parameters())
        return ParameterCount(embedding=tables, dense=dense)


class ClickTask(nn.Module):
    """The model with its loss, in the form that TorchRec's train pipelines run."""

    def __init__(self, model: MultiEmbedding) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[torch.Tensor, Prediction]:
        """A batch -> the rank's mean of weight x binary cross-entropy, and what was predicted."""
        logits = self.model(batch.features)
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, batch.labels, weight=batch.weights
        )
        return loss, Prediction(loss.detach(), logits.detach(), batch.labels, batch.weights)
