"""Where raw rows come from: the sources of a spec, each a stream of chunks.

A new kind of source is one more class with ``Source``'s members and one more case in ``_source``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.console import InputError
from pipeline.data.fields.schemas import label_column, resolve_fields
from pipeline.data.manifest import SPLITS
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.parquet_source import ParquetSource
from pipeline.data.sources.text_source import CRITEO, CSV, TextSource
from pipeline.spec_data import DataSpec, FieldSpec

# 16 MiB is about 70,000 rows of Criteo: few chunks to merge, and few megabytes in flight a thread.
BLOCK_BYTES = 1 << 24
BATCH_ROWS = 1 << 16


class Source(Protocol):
    """A file of rows.

    Attributes:
        path: the file.
        fields: the fields that are read.
        size: bytes of the file.
        bytes_done: how many of them blocks were cut from so far.
        digest: the file's SHA-256, once its last block was cut.
    """

    path: Path
    fields: tuple[FieldSpec, ...]
    size: int
    bytes_done: int
    digest: str

    def blocks(self) -> Iterator[Any]:
        """Cuts the file into blocks of rows, in order, in one thread."""

    def parse(self, block: Any) -> Chunk:
        """Parses and checks a block, in any thread."""


@dataclass(frozen=True)
class SplitSource:
    """A source and the split that its rows belong to; None when they are split at random."""

    source: Source
    split: str | None


def source_paths(data: DataSpec) -> dict[str | None, Path]:
    """The files to read, by the split that they are given for."""
    source = Path(data.source)
    if data.splits is None:
        if source.is_dir():
            raise InputError(
                f"{source}: a directory; data.source names one file, or data.splits the files in it"
            )
        return {None: source}
    return {split: source / getattr(data.splits, split) for split in SPLITS}


def open_sources(
    data: DataSpec, block_bytes: int = BLOCK_BYTES, batch_rows: int = BATCH_ROWS
) -> list[SplitSource]:
    """Opens every source file and finds its columns.

    Args:
        data: the spec's section.
        block_bytes: about the size of a block of a text file.
        batch_rows: rows of a block of a Parquet file.

    Raises:
        InputError: when a file cannot be read or lacks a column.
    """
    return [
        SplitSource(_source(data, path, block_bytes, batch_rows), split)
        for split, path in source_paths(data).items()
    ]


def _source(data: DataSpec, path: Path, block_bytes: int, batch_rows: int) -> Source:
    fields, label = resolve_fields(data), label_column(data)
    if data.format == "parquet":
        return ParquetSource(path, fields, label, data.bad_rows, batch_rows)
    layout = CRITEO if data.format == "criteo" else CSV
    return TextSource(path, layout, fields, label, data.bad_rows, block_bytes)
