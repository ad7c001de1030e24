"""Tensors of a checkpoint, whole or some rows, without a model or other processes."""

from pathlib import Path

import numpy as np
import torch

from pipeline.console import InputError
from pipeline.distributed.sharding import TABLE_KEY
from pipeline.model.tables import Table
from pipeline.training.checkpoints.record import (
    CheckpointRecord,
    DamagedCheckpointError,
    read_record,
)
from pipeline.training.checkpoints.storage import MODEL, view_of


def checkpoint_record(directory: Path) -> CheckpointRecord:
    """What a checkpoint holds.

    Raises:
        InputError: it is damaged.
    """
    try:
        return read_record(directory)
    except DamagedCheckpointError as error:
        raise InputError(f"{directory}: the checkpoint does not load: {error}") from None


def table_name(table: str) -> str:
    """The name under which a checkpoint holds a table."""
    return f"{MODEL}{TABLE_KEY.format(table)}"


def read_tensor(directory: Path, record: CheckpointRecord, name: str) -> torch.Tensor:
    """A whole tensor of a checkpoint."""
    entry = record.tensors[name]
    whole = torch.empty(entry.shape, dtype=entry.torch_dtype)
    for box in entry.boxes:
        ends = zip(box.offsets, box.shape, strict=True)
        place = tuple(slice(start, start + size) for start, size in ends)
        whole[place] = view_of(directory, record, entry, box)
    return whole


def read_table(directory: Path, table: Table) -> torch.Tensor:
    """One table from a checkpoint, (rows, columns) without padding columns."""
    record = checkpoint_record(directory)
    return read_tensor(directory, record, table_name(table.name))[:, : table.columns]


def read_row_range(
    directory: Path, record: CheckpointRecord, table: str, rows: slice
) -> torch.Tensor:
    """(rows, columns as stored) neighbouring rows of a table. Only their pages are read."""
    entry = record.tensors[table_name(table)]
    found = torch.empty((rows.stop - rows.start, entry.shape[1]), dtype=entry.torch_dtype)
    for box in entry.boxes:
        (row, column), (height, width) = box.offsets, box.shape
        start, stop = max(rows.start, row), min(rows.stop, row + height)
        if start < stop:
            values = view_of(directory, record, entry, box)[start - row : stop - row]
            found[start - rows.start : stop - rows.start, column : column + width] = values
    return found


def read_rows(
    directory: Path, record: CheckpointRecord, table: str, rows: np.ndarray
) -> torch.Tensor:
    """(len(rows), columns as stored) some rows of a table. Only their pages are read.

    Raises:
        InputError: the table has no such row.
    """
    entry = record.tensors[table_name(table)]
    outside = rows[(rows < 0) | (rows >= entry.shape[0])]
    if len(outside):
        raise InputError(
            f"{directory}: table {table} has {entry.shape[0]:,} rows, and row {outside[0]:,} is "
            "asked for; use the vocabularies that it was trained with"
        )
    found = torch.empty((len(rows), entry.shape[1]), dtype=entry.torch_dtype)
    for box in entry.boxes:
        (row, column), (height, width) = box.offsets, box.shape
        inside = torch.from_numpy(np.flatnonzero((rows >= row) & (rows < row + height)))
        values = view_of(directory, record, entry, box)
        found[inside, column : column + width] = values[torch.from_numpy(rows)[inside] - row]
    return found
