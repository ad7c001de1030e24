"""Embedding sets: every field's M independent embeddings, looked up in one go.

One ``EmbeddingBagCollection`` holds the tables of all groups, so that a sharded model has no more
exchanges and lookups for having more groups. In a step TorchRec makes one exchange of ids and one
of embeddings for each sharding type, and under it one fused lookup for each kernel and pooling.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torchrec.modules.embedding_configs import EmbeddingBagConfig, PoolingType
from torchrec.modules.embedding_modules import (
    EmbeddingBagCollection,
    get_embedding_names_by_table,
)
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor, KeyedTensor

from pipeline.data.manifest import Field
from pipeline.model.tables import Table, TableGroup, layout_tables

_POOLING = {"sum": PoolingType.SUM, "mean": PoolingType.MEAN}


class EmbeddingSets(nn.Module):
    """Looks up every set's embedding of every field (the paper, Section 5).

    ids, a KeyedJaggedTensor of F fields and B rows -> for each group a tensor (M, B, F, C), whose
    fields are those that the group has.

    Args:
        fields: in the model's order.
        groups: the sets and the columns of each.
        storage: see ``ModelSpec.tables``.
        device: where the tables stand until they are sharded; ``meta`` for those that do not fit.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        groups: Sequence[TableGroup],
        storage: Literal["packed", "separate"],
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.tables = layout_tables(fields, groups, storage)
        configs = [_config(table) for table in self.tables]
        self.collection = EmbeddingBagCollection(tables=configs, device=device)
        # A field's one table gives the key "field"; several give "field@table".
        names = [name for of_table in get_embedding_names_by_table(configs) for name in of_table]
        self.arrange = _Arrangement(names, self.tables, groups)

    def forward(self, features: KeyedJaggedTensor) -> list[torch.Tensor]:
        """Embeddings by group, each (M, B, F, C), a view where one table holds several sets."""
        return self.arrange(self.collection(features))


def _config(table: Table) -> EmbeddingBagConfig:
    return EmbeddingBagConfig(
        name=table.name,
        feature_names=[table.field.name],
        num_embeddings=table.rows,
        embedding_dim=table.physical_columns,
        pooling=_POOLING[table.field.pooling],
    )


class _Arrangement(nn.Module):
    """Pooled embeddings side by side, as the collection gives them -> (M, B, F, C) by group.

    A module of its own, and not a function, so that TorchRec's train pipeline, which traces what
    contains a sharded module, leaves it alone.
    """

    def __init__(
        self, names: Sequence[str], tables: Sequence[Table], groups: Sequence[TableGroup]
    ) -> None:
        super().__init__()
        self._names = list(names)
        self._groups = [
            (group, [table for table in tables if table.group == place])
            for place, group in enumerate(groups)
        ]

    def forward(self, pooled: KeyedTensor) -> list[torch.Tensor]:
        values = pooled.values()
        if list(pooled.keys()) != self._names:
            # A sharded collection orders its output by sharding type.
            values = torch.cat([pooled[name] for name in self._names], dim=1)
        widths = [sum(t.physical_columns for t in tables) for _, tables in self._groups]
        blocks = values.split(widths, dim=1)
        return [
            _sets(block, group, tables)
            for block, (group, tables) in zip(blocks, self._groups, strict=True)
        ]


def _sets(block: torch.Tensor, group: TableGroup, tables: Sequence[Table]) -> torch.Tensor:
    """One group's columns -> (M, B, F, C); a packed table holds M sets, a separate one 1."""
    if not tables:  # Gates that read dense fields alone.
        return block.new_zeros(group.sets, len(block), 0, group.columns)
    table = tables[0]
    fields = len({table.field.name for table in tables})
    stored = block.unflatten(1, (-1, fields, table.physical_columns))
    sets = stored[..., : table.columns].unflatten(3, (table.sets, table.embedding_dim))
    # (B, tables of a field, F, sets of a table, C); one of the two set dimensions is 1.
    arranged = sets.permute(1, 3, 0, 2, 4)
    return arranged.flatten(0, 1)
