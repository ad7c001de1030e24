"""Where raw rows come from: the sources of a spec, each a stream of chunks.

A new kind of source is one more class with ``Source``'s members and one more case in ``_source``.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.console import InputError
from pipeline.data.fields.schemas import resolve_fields, resolve_labels
from pipeline.data.manifest import SPLITS
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.files import SourceFile, find_files, is_remote
from pipeline.data.sources.parquet_source import ParquetSource
from pipeline.data.sources.split_rules import SplitRule, column_rule
from pipeline.data.sources.text_source import CRITEO, CSV, TextSource
from pipeline.data.sources.time_split import cut_by_time, time_field
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
        digest: the file's SHA-256; to be asked for once its last block was cut.
    """

    path: SourceFile
    fields: tuple[FieldSpec, ...]
    size: int
    bytes_done: int

    @property
    def digest(self) -> str:
        """See above."""

    def blocks(self) -> Iterator[Any]:
        """Cuts the file into blocks of rows, in order, in one thread; each knows its ``rows``."""

    def parse(self, block: Any) -> Chunk:
        """Parses and checks a block, in any thread."""


@dataclass(frozen=True)
class SplitFile:
    """A file, and the split that it is given for; None when its rows are split by a rule."""

    file: SourceFile
    split: str | None


@dataclass(frozen=True)
class SplitSource:
    """A source and what is known of it beside its rows.

    Attributes:
        source: the source.
        split: that its rows belong to; None when they are split by a rule.
        version: the file's, from before anything was read of it; None for a pipe.
    """

    source: Source
    split: str | None
    version: str | None


def source_files(data: DataSpec) -> list[SplitFile]:
    """The files to read, in the order that they are read in.

    Raises:
        InputError: when a glob stands for no file, or a file is named twice.
    """
    named: list[tuple[str, str | None]] = [(location, None) for location in data.locations]
    if data.splits is not None:
        named = [
            (_within(data.locations[0], location), split)
            for split in SPLITS
            for location in data.splits.locations(split)
        ]
    files = [SplitFile(file, split) for location, split in named for file in find_files(location)]
    times = Counter(given.file.identity for given in files)
    if repeated := [given.file for given in files if times[given.file.identity] > 1]:
        raise InputError(f"{repeated[0]}: data.source names it more than once")
    return files


def _within(folder: str, location: str) -> str:
    """A file named in a folder, or by a path or URL of its own."""
    if location.startswith("/") or is_remote(location):
        return location
    return f"{folder.rstrip('/')}/{location}"


def open_sources(
    data: DataSpec,
    block_bytes: int = BLOCK_BYTES,
    batch_rows: int = BATCH_ROWS,
    threads: int = 0,
) -> list[SplitSource]:
    """Opens every source file and finds its columns.

    Args:
        data: the spec's section.
        block_bytes: about the size of a block of a text file.
        batch_rows: rows of a block of a Parquet file.
        threads: to scan for a split by time in, as ``prepare.threads``.

    Raises:
        InputError: when a file cannot be read or lacks a column.
    """
    files = source_files(data)
    # Before the scan for a split by time, so that a change after it does not go unseen.
    versions = [given.file.version() for given in files]
    reading = _Reading(data, resolve_fields(data), block_bytes, batch_rows, None)
    reading = replace(reading, rule=_split_rule(reading, files, threads))
    return [
        SplitSource(_source(given.file, reading), given.split, version)
        for given, version in zip(files, versions, strict=True)
    ]


@dataclass(frozen=True)
class _Reading:
    """How files are read."""

    data: DataSpec
    fields: tuple[FieldSpec, ...]
    block_bytes: int
    batch_rows: int
    rule: SplitRule | None


def _split_rule(reading: _Reading, files: list[SplitFile], threads: int) -> SplitRule | None:
    data = reading.data
    if data.split is None:
        return None
    if data.split.by == "column":
        return column_rule(data.split)
    for given in files:
        given.file.check_lasts("column of times")
    scan = replace(reading, fields=(time_field(data.split),))
    return cut_by_time(data.split, [_source(given.file, scan) for given in files], threads)


def _source(file: SourceFile, reading: _Reading) -> Source:
    data, fields, rule = reading.data, reading.fields, reading.rule
    labels, policy = resolve_labels(data), data.bad_rows
    if data.format == "parquet":
        return ParquetSource(file, fields, labels, policy, reading.batch_rows, rule)
    layout = CRITEO if data.format == "criteo" else CSV
    return TextSource(file, layout, fields, labels, policy, reading.block_bytes, rule)
