"""Decoded rows in memory: what a window holds and what a batch is gathered from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.batch import Batch
from pipeline.data.manifest import DenseField, Field
from pipeline.data.ragged import Ragged, concatenate_ragged

# What torchrec's kernels take without a cast.
ID_TYPE = np.int64
# Rows transposed together, so that they stay in cache: 26 ms against 66 for 262,144 rows of
# 39 fields.
_STRIPE = 8192


@dataclass(frozen=True)
class Rows:
    """Rows of a split.

    Attributes:
        singles: (rows, fields of one id) int32. Row-major, because a random row is then 3 cache
            lines instead of one a field: 0.17 ms against 1.1 ms for 2,048 of 1M rows, 39 fields.
        bags: the multi-valued fields.
        labels: (tasks, rows) float32.
        dense: (rows, dense fields) float32.
    """

    singles: np.ndarray
    bags: tuple[Ragged, ...]
    labels: np.ndarray
    dense: np.ndarray

    def take(self, rows: np.ndarray) -> "Rows":
        """The rows at the positions ``rows``."""
        bags = tuple(bag.take(rows) for bag in self.bags)
        singles, dense = self.singles.take(rows, axis=0), self.dense.take(rows, axis=0)
        return Rows(singles, bags, self.labels.take(rows, axis=1), dense)


def rows_of_table(
    table: pa.Table,
    fields: Sequence[Field],
    dense_fields: Sequence[DenseField],
    labels: Sequence[str],
) -> Rows:
    """Rows from a part's columns."""
    singles = _row_major(
        table, [field.name for field in fields if field.kind != "multi_valued"], np.int32
    )
    dense = _row_major(table, [field.name for field in dense_fields], np.float32)
    bags = tuple(
        _bags(table[field.name].combine_chunks())
        for field in fields
        if field.kind == "multi_valued"
    )
    label_rows = np.stack([table[label].to_numpy() for label in labels])
    return Rows(singles, bags, label_rows, dense)


def _row_major(table: pa.Table, names: Sequence[str], kind: type[np.generic]) -> np.ndarray:
    """(rows, columns), the named columns side by side."""
    columns = [table[name].to_numpy() for name in names]
    rows = np.empty((table.num_rows, len(names)), dtype=kind)
    for start in range(0, table.num_rows if names else 0, _STRIPE):
        stripe = rows[start : start + _STRIPE]
        for index, column in enumerate(columns):
            stripe[:, index] = column[start : start + _STRIPE]
    return rows


def _bags(column: pa.Array) -> Ragged:
    offsets = column.offsets.to_numpy().astype(np.int64)
    values = column.values.to_numpy()[offsets[0] : offsets[-1]]
    return Ragged(values, offsets - offsets[0])


def concatenate(pieces: Sequence[Rows]) -> Rows:
    """Rows one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    bags = tuple(concatenate_ragged(group) for group in zip(*(p.bags for p in pieces), strict=True))
    return Rows(
        np.concatenate([piece.singles for piece in pieces]),
        bags,
        np.concatenate([piece.labels for piece in pieces], axis=1),
        np.concatenate([piece.dense for piece in pieces]),
    )


def to_batch(rows: Rows, weights: np.ndarray, fields: Sequence[Field]) -> Batch:
    """A batch of all ``rows``; its features' keys are the fields in the manifest's order.

    Args:
        rows: the batch's rows.
        weights: (rows,) float32.
        fields: the manifest's.
    """
    count = rows.labels.shape[1]
    singles = rows.singles.T
    lengths = np.ones((len(fields), count), dtype=np.int32)
    if not rows.bags:
        values = singles.astype(ID_TYPE, order="C").reshape(-1)
        length_per_key = [count] * len(fields)
    else:
        pieces, next_single, next_bag = [], 0, 0
        for index, field in enumerate(fields):
            if field.kind == "multi_valued":
                bags = rows.bags[next_bag]
                lengths[index] = bags.lengths
                pieces.append(bags.values)
                next_bag += 1
            else:
                pieces.append(singles[next_single])
                next_single += 1
        values = np.concatenate(pieces, dtype=ID_TYPE)
        length_per_key = [len(piece) for piece in pieces]
    features = KeyedJaggedTensor(
        keys=[field.name for field in fields],
        values=torch.from_numpy(values),
        lengths=torch.from_numpy(lengths.reshape(-1)),
        stride=count,
        length_per_key=length_per_key,
    ).sync()
    dense = torch.from_numpy(rows.dense) if rows.dense.shape[1] else None
    return Batch(features, torch.from_numpy(rows.labels), torch.from_numpy(weights), dense)
