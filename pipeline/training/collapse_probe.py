"""The Gram matrices of a checkpoint's tables, field by field, whatever sharding wrote it."""

from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from pipeline.data.fields.dataset_vocabulary import read_column
from pipeline.diagnostics.field_gram import FieldGram, empty_gram, field_gram
from pipeline.distributed.runtime import Runtime
from pipeline.model.tables import Table
from pipeline.training.checkpoints.record import CheckpointRecord
from pipeline.training.checkpoints.rows import checkpoint_record, read_row_range

# Rows of a field that are in memory at a time: of 40 columns 42 MB.
BLOCK_ROWS = 1 << 18


def probe_grams(
    checkpoint: Path, tables: tuple[Table, ...], dataset: Path | None, runtime: Runtime
) -> list[FieldGram]:
    """Every field's Gram matrices, of the experts' sets, the same on all ranks. Collective.

    The gates' own embeddings are no embedding set of the paper's and are left out. Each rank
    passes once over its share of every field's rows, and (K, K) a field is what they exchange.

    Args:
        checkpoint: that all ranks can read.
        tables: of the model.
        dataset: whose vocabularies say how often a row occurs; None weights all rows alike, in
            half the time.
        runtime: this rank's place.
    """
    record = checkpoint_record(checkpoint)
    sets = [table for table in tables if not table.of_gates]
    names = list(dict.fromkeys(table.field.name for table in sets))
    own = []
    for name in names:
        of_field = [table for table in sets if table.field.name == name]
        counts = None if dataset is None else read_column(dataset, name, "count").to_numpy()
        own.append(_share(checkpoint, record, of_field, counts, runtime))
    gathered: list[list[FieldGram]] = [[] for _ in range(runtime.world_size)]
    dist.all_gather_object(gathered, own)
    return [reduce(add, parts) for parts in zip(*gathered, strict=True)]


def _share(
    checkpoint: Path,
    record: CheckpointRecord,
    tables: list[Table],
    counts: np.ndarray | None,
    runtime: Runtime,
) -> FieldGram:
    """Of this rank's share of one field's rows."""
    name, rows = tables[0].field.name, tables[0].rows
    widths = [table.embedding_dim for table in tables for _ in range(table.sets)]
    total = empty_gram(name, widths)
    start, stop = (rows * rank // runtime.world_size for rank in (runtime.rank, runtime.rank + 1))
    for first in range(start, stop, BLOCK_ROWS):
        block = slice(first, min(first + BLOCK_ROWS, stop))
        sets: list[torch.Tensor] = []
        for table in tables:
            stored = read_row_range(checkpoint, record, table.name, block)
            sets += stored[:, : table.columns].split(table.embedding_dim, dim=1)
        of_rows = None if counts is None else torch.tensor(counts[block])
        total += field_gram(name, sets, of_rows)
    return total
