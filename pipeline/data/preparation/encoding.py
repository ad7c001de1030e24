"""The second pass: a spilled chunk's codes become ids, and ids become parts."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.vocabulary import Vocabulary
from pipeline.data.manifest import LABEL, SPLITS, Part, Split
from pipeline.data.parts import part_schema, write_part
from pipeline.data.preparation.spill import SPLIT_COLUMN, SpilledChunk, read_spilled
from pipeline.data.ragged import Ragged


def encode_chunk(chunk: SpilledChunk, vocabularies: Sequence[Vocabulary]) -> list[pa.Table]:
    """The chunk's rows as ids, one table a split, rows in the source's order."""
    batch = read_spilled(chunk.path)
    splits = batch.column(SPLIT_COLUMN).to_numpy()
    order = np.argsort(splits, kind="stable")
    columns = [
        _encode(batch.column(field.name).indices.to_numpy()[order], ids)
        for field, ids in zip(
            chunk.fields, _dictionary_ids(chunk, batch, vocabularies), strict=True
        )
    ]
    columns.append(pa.array(batch.column(LABEL).to_numpy()[order].astype(np.float32)))
    schema = part_schema([(field.name, field.kind) for field in chunk.fields])
    table = pa.Table.from_arrays(columns, schema=schema)
    ends = np.cumsum(np.bincount(splits, minlength=len(SPLITS))).tolist()
    starts = [0, *ends[:-1]]
    return [table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _dictionary_ids(
    chunk: SpilledChunk, batch: pa.RecordBatch, vocabularies: Sequence[Vocabulary]
) -> list[np.ndarray | Ragged]:
    """The ids of each field's distinct values in the chunk."""
    return [
        vocabulary.ids_of_values(field, batch.column(field.name).dictionary)
        for field, vocabulary in zip(chunk.fields, vocabularies, strict=True)
    ]


def _encode(codes: np.ndarray, ids: np.ndarray | Ragged) -> pa.Array:
    """The ids of rows, from their codes and the ids of each code."""
    if isinstance(ids, Ragged):
        taken = ids.take(codes)
        return pa.ListArray.from_arrays(pa.array(taken.offsets, pa.int32()), pa.array(taken.values))
    return pa.array(ids.take(codes))


class PartWriter:
    """Cuts one split's rows into parts of equal size and writes them in a pool's threads.

    Which rows stand in which part depends on the rows alone, not on the tables they come in.
    """

    def __init__(
        self, directory: Path, split: str, part_rows: int, pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        """Args are the dataset directory, the split, rows of a part, and parts in flight."""
        self._directory, self._split, self._part_rows = directory, split, part_rows
        self._pool, self._ahead = pool, ahead
        self._waiting: list[pa.Table] = []
        self._waiting_rows, self._submitted, self._positives = 0, 0, 0
        self._writing: deque[Future[Part]] = deque()
        self._written: list[Part] = []

    def add(self, table: pa.Table) -> None:
        """Takes the split's next rows."""
        if not table.num_rows:
            return
        self._positives += int(pc.sum(table[LABEL]).as_py())
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        while self._waiting_rows >= self._part_rows:
            self._submit(self._part_rows)

    def finish(self) -> Split:
        """Writes the rows that are left and says what was written."""
        if self._waiting_rows:
            self._submit(self._waiting_rows)
        self._settle(0)
        rows = sum(part.rows for part in self._written)
        return Split(rows, self._positives, tuple(self._written))

    def _submit(self, rows: int) -> None:
        table = pa.concat_tables(self._waiting)
        self._waiting = [table.slice(rows)]
        self._waiting_rows = table.num_rows - rows
        self._writing.append(
            self._pool.submit(
                write_part, self._directory, self._split, self._submitted, table.slice(0, rows)
            )
        )
        self._submitted += 1
        self._settle(self._ahead)

    def _settle(self, in_flight: int) -> None:
        while len(self._writing) > in_flight:
            self._written.append(self._writing.popleft().result())
