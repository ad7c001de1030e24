"""The first pass: chunks go to disk as codes, their values are counted.

A spilled chunk is an Arrow file: a dictionary column a field (see ``with_tokens``), then the
labels; its rows stand split by split, in each split in the source's order. What else is known of it
stands in the schema's metadata, and the last four bytes are a CRC-32 of those before, which tells a
file that a power cut truncated. (After a kill a file is whole or absent: it is renamed when it is
whole.)
"""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.data.fields.counts import Counts, RunningCounts
from pipeline.data.fields.tokens import with_tokens
from pipeline.data.fields.vocabulary import count_values
from pipeline.data.manifest import SPLITS
from pipeline.data.preparation.splits import split_of_rows
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.opening import SplitSource
from pipeline.data.token_table import as_dictionary
from pipeline.data.whole_files import write_whole
from pipeline.spec import PrepareSpec
from pipeline.spec_data import FieldSpec

_FACTS = b"facts"
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True)
class SpillJob:
    """A block on its way to its chunk.

    Attributes:
        path: the chunk's file.
        source: what the block was cut from.
        block: None for a chunk that is there already.
        first_row: the number of its first row, counted from 0 over the rows of all sources, bad
            ones included.
        prepare: the spec's section.
    """

    path: Path
    source: SplitSource
    block: Any
    first_row: int
    prepare: PrepareSpec


@dataclass(frozen=True)
class SpilledChunk:
    """A chunk on disk.

    Attributes:
        path: the Arrow file.
        fields: as the source reads them.
        rows_read: from the source, skipped ones included.
        skipped: rows left out, by reason.
        split_rows: rows in each of ``SPLITS``.
        split_positives: by label, those of them with 1.
    """

    path: Path
    fields: tuple[FieldSpec, ...]
    rows_read: int
    skipped: dict[str, int]
    split_rows: tuple[int, ...]
    split_positives: dict[str, tuple[int, ...]]

    @property
    def rows(self) -> int:
        """Rows on disk."""
        return sum(self.split_rows)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels' names, the main one first."""
        return tuple(self.split_positives)


def spill_block(job: SpillJob) -> tuple[SpilledChunk, list[Counts]] | None:
    """Parses a block, writes its chunk and counts what vocabularies are learnt from.

    A chunk that is there already, whole, is counted as it is.

    Returns:
        The chunk on disk, and the counts of each field; None when there is neither chunk nor block.
    """
    batch = _read_checked(job.path)
    if batch is None:
        if job.block is None:
            return None
        batch = _batch(job)
        _write(job.path, batch)
    fields = job.source.source.fields
    facts = json.loads(batch.schema.metadata[_FACTS])
    chunk = SpilledChunk(
        path=job.path,
        fields=fields,
        rows_read=facts["rows_read"],
        skipped=facts["skipped"],
        split_rows=tuple(facts["split_rows"]),
        split_positives={
            label: tuple(counts) for label, counts in facts["split_positives"].items()
        },
    )
    counts = []
    for index, field in enumerate(fields):
        from_train = job.prepare.vocabulary == "train" or field.kind == "dense"
        counted = chunk.split_rows[0] if from_train else chunk.rows
        column = batch.column(index)
        counts.append(count_values(field, column, column.indices.to_numpy()[:counted]))
    return chunk, counts


def read_spilled(path: Path) -> pa.RecordBatch:
    """A chunk back from disk, mapped into memory."""
    return _opened(_mapped(path))


def _batch(job: SpillJob) -> pa.RecordBatch:
    """The block's rows split by split, with narrow codes."""
    source, split = job.source.source, job.source.split
    chunk = source.parse(job.block)
    splits = _splits(chunk, job)
    order = None if split is not None else np.argsort(splits, kind="stable")
    labels = [pa.array(of if order is None else of[order]) for of in chunk.labels.values()]
    facts = {
        "rows_read": chunk.rows_read,
        "skipped": chunk.skipped,
        "split_rows": np.bincount(splits, minlength=len(SPLITS)).tolist(),
        "split_positives": {
            label: np.bincount(splits[of == 1], minlength=len(SPLITS)).tolist()
            for label, of in chunk.labels.items()
        },
    }
    columns = [
        _narrowed(with_tokens(field, chunk.columns[field.name]), order) for field in source.fields
    ]
    batch = pa.RecordBatch.from_arrays([*columns, *labels], names=[*chunk.columns, *chunk.labels])
    return batch.replace_schema_metadata({_FACTS: json.dumps(facts)})


def _narrowed(column: pa.DictionaryArray, order: np.ndarray | None) -> pa.DictionaryArray:
    """The column in another order, with codes as small as its dictionary allows.

    For 64,686 rows of Criteo's format: 6.3 MB written in 13 ms, where LZ4 on 32-bit codes makes 7.0
    MB in 33 ms.
    """
    distinct = len(column.dictionary)
    kind = np.uint8 if distinct <= 1 << 8 else np.uint16 if distinct <= 1 << 16 else np.int32
    codes = column.indices.to_numpy().astype(kind)
    codes = codes if order is None else codes.take(order)
    return as_dictionary(codes, column.dictionary)


def _write(path: Path, batch: pa.RecordBatch) -> None:
    # Written twice, first to nowhere, to know its size: a buffer that grows copies itself.
    size = pa.MockOutputStream()
    _write_batch(size, batch)
    content = pa.allocate_buffer(size.size())
    _write_batch(pa.FixedSizeBufferWriter(content), batch)
    write_whole(path, content, _CHECKSUM.pack(zlib.crc32(content)))


def _write_batch(sink: pa.NativeFile, batch: pa.RecordBatch) -> None:
    with sink, pa.ipc.new_file(sink, batch.schema) as file:
        file.write_batch(batch)


def _read_checked(path: Path) -> pa.RecordBatch | None:
    """A chunk that an earlier run wrote; None when there is none or it is not whole."""
    if not path.is_file() or path.stat().st_size <= _CHECKSUM.size:
        return None
    content = _mapped(path)
    body = content.slice(0, content.size - _CHECKSUM.size)
    (checksum,) = _CHECKSUM.unpack(content.slice(body.size))
    return _opened(content) if zlib.crc32(body) == checksum else None


def _mapped(path: Path) -> pa.Buffer:
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _opened(content: pa.Buffer) -> pa.RecordBatch:
    body = pa.BufferReader(content.slice(0, content.size - _CHECKSUM.size))
    with pa.ipc.open_file(body) as file:
        return file.get_batch(0).replace_schema_metadata(file.schema.metadata)


class Tally:
    """Running counts of every field."""

    def __init__(self, fields: int) -> None:
        self._fields = [RunningCounts() for _ in range(fields)]

    def add(self, counts: Sequence[Counts]) -> None:
        """Adds a chunk's counts."""
        for running, counted in zip(self._fields, counts, strict=True):
            running.add(counted)

    def total(self, index: int) -> Counts:
        """All counts of a field. They are given away: memory is for the second pass then."""
        running, self._fields[index] = self._fields[index], RunningCounts()
        return running.total()


def _splits(chunk: Chunk, job: SpillJob) -> np.ndarray:
    """(rows,) int8, the index in ``SPLITS``."""
    if chunk.splits is not None:
        return chunk.splits
    if job.source.split is not None:
        return np.full(len(chunk.positions), SPLITS.index(job.source.split), dtype=np.int8)
    ratios, seed = job.prepare.ratios, job.prepare.seed
    return split_of_rows(job.first_row, chunk.rows_read, ratios, seed)[chunk.positions]
