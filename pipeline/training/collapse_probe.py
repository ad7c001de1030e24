"""Collapse of a checkpoint's tables, field by field, whatever the sharding that wrote it."""

from pathlib import Path

import torch
import torch.distributed as dist

from pipeline.diagnostics.collapse import FieldCollapse, analyse_field
from pipeline.distributed.runtime import Runtime
from pipeline.model.tables import Table
from pipeline.training.checkpoints.rows import read_table


def probe_collapse(
    checkpoint: Path, tables: tuple[Table, ...], runtime: Runtime
) -> list[FieldCollapse]:
    """Every field's collapse measures, of the experts' sets. Collective.

    The gates' own embeddings are no embedding set of the paper's and are left out. The fields are
    dealt out over the ranks, and a rank holds one field's tables at a time.
    """
    sets = [table for table in tables if not table.of_gates]
    names = list(dict.fromkeys(table.field.name for table in sets))
    own = {
        name: _analyse(checkpoint, [table for table in sets if table.field.name == name])
        for name in names[runtime.rank :: runtime.world_size]
    }
    gathered: list[dict[str, FieldCollapse]] = [{} for _ in range(runtime.world_size)]
    dist.all_gather_object(gathered, own)
    found = {name: collapse for part in gathered for name, collapse in part.items()}
    return [found[name] for name in names]


def _analyse(checkpoint: Path, tables: list[Table]) -> FieldCollapse:
    sets: list[torch.Tensor] = []
    for table in tables:
        sets += read_table(checkpoint, table).split(table.embedding_dim, dim=1)
    return analyse_field(tables[0].field.name, sets)
