"""The multi-embedding model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.manifest import Field
from pipeline.model.dense_part import DensePart, Output, Precision
from pipeline.model.embedding_sets import EmbeddingSets
from pipeline.model.tables import table_groups
from pipeline.spec_model import ModelSpec


@dataclass(frozen=True)
class ParameterCount:
    """Trainable numbers, without the tables' padding columns."""

    embedding: int
    dense: int


class MultiEmbedding(nn.Module):
    """M embedding sets, each with an interaction of its own, joined by a head (Section 5).

    ids (F fields, B rows) -> embedding sets (M, B, F, C) by group -> dense part -> logits (T, B).
    Single-embedding is one group of one set.

    Args:
        fields: those with ids, in the dataset's order.
        spec: the architecture.
        precision: of the dense part.
        device: of the tables; ``meta`` until they are sharded.
        dense_fields: the names of the dense ones.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        spec: ModelSpec,
        precision: Precision = "fp32",
        device: torch.device | None = None,
        dense_fields: Sequence[str] = (),
    ) -> None:
        super().__init__()
        names = [*(field.name for field in fields), *dense_fields]
        self.embedding_sets = EmbeddingSets(
            fields, table_groups(len(names), spec), spec.tables, device
        )
        labels = [task.label for task in spec.resolved_tasks]
        self.dense = DensePart(names, len(dense_fields), labels, spec, precision)

    def forward(self, features: KeyedJaggedTensor, dense: torch.Tensor | None = None) -> Output:
        """Ids, and dense fields (B, D) where there are any."""
        return self.dense(self.embedding_sets(features), dense)

    def count_parameters(self) -> ParameterCount:
        """Trainable numbers of the unsharded model."""
        tables = sum(table.rows * table.columns for table in self.embedding_sets.tables)
        dense = sum(parameter.numel() for parameter in self.dense.parameters())
        return ParameterCount(embedding=tables, dense=dense)
