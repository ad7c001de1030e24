"""Parquet files as chunks of coded columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from pipeline.console import InputError
from pipeline.data.fields.binning import MISSING, number_texts
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.columns import checked_chunk, find_columns
from pipeline.data.sources.faults import NOT_UTF8, Faults, Policy
from pipeline.data.sources.files import SourceFile, is_remote
from pipeline.data.sources.split_rules import SplitRule
from pipeline.spec_data import FieldSpec

# Joins the items of a list column into one text: ASCII's unit separator.
LIST_SEPARATOR = "\x1f"
# Bytes that are no UTF-8 are found afterwards, row by row.
_AS_TEXT = pc.CastOptions(pa.string(), allow_invalid_utf8=True)


@dataclass(frozen=True)
class RowBatch:
    """Rows of the file, from number ``first_row`` on, counted from 0."""

    first_row: int
    batch: pa.RecordBatch

    @property
    def rows(self) -> int:
        """How many."""
        return self.batch.num_rows


class ParquetSource:
    """A Parquet file. Batches are read in one thread and coded in any.

    Attributes:
        path: the file.
        fields: the fields that are read; those of list columns have ``LIST_SEPARATOR``.
        size: bytes of the file.
        bytes_done: the share of ``size`` that was read so far.
        digest: the file's SHA-256, which takes reading all of it when it is first asked for.
    """

    def __init__(
        self,
        path: SourceFile,
        fields: Sequence[FieldSpec],
        labels: Sequence[str],
        policy: Policy,
        batch_rows: int,
        rule: SplitRule | None,
    ) -> None:
        """Opens the file and finds its columns.

        Args:
            path: the file.
            fields: the fields to read.
            labels: the labels' columns.
            policy: what to do with bad rows.
            batch_rows: rows of a batch.
            rule: settles the rows' splits, if a column does.

        Raises:
            InputError: when the file cannot be read or a column is absent or of a wrong type.
        """
        self.path, self.size = path, path.size()
        self.bytes_done = 0
        self._rule = rule
        self._labels, self._policy, self._batch_rows = tuple(labels), policy, batch_rows
        extra = [*labels, rule.column] if rule else labels
        self._columns = [*(field.source_column for field in fields), *extra]
        with self._opened() as file:
            schema = file.schema_arrow
        find_columns(path, schema.names, self._columns)
        self.fields = tuple(self._checked(field, schema) for field in fields)

    def blocks(self) -> Iterator[RowBatch]:
        """Reads the file in batches."""
        first_row, self.bytes_done = 0, 0
        with self._opened() as file:
            total = file.metadata.num_rows
            for batch in file.iter_batches(
                self._batch_rows, columns=list(dict.fromkeys(self._columns)), use_threads=False
            ):
                yield RowBatch(first_row, batch)
                first_row += batch.num_rows
                self.bytes_done = self.size * first_row // total

    @cached_property
    def digest(self) -> str:
        """Not read on the way: batches are of some columns only, and a scan needs no digest."""
        return self.path.digest()

    def parse(self, block: RowBatch) -> Chunk:
        """Codes and checks a batch.

        Raises:
            InputError: for the first bad row, unless bad rows are skipped.
        """
        rows = block.batch.num_rows
        faults = Faults(self.path, "row", block.first_row + 1, self._policy)
        columns = [self._coded(block.batch, name, faults) for name in self._columns]
        positions = np.arange(rows)
        return checked_chunk(
            self.fields, self._labels, columns, positions, rows, faults, self._rule
        )

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            # Arrow reads this machine's files by itself, without Python's lock.
            remote = is_remote(self.path.location)
            source = self.path.open() if remote else self.path.location
            with pq.ParquetFile(source) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: not a Parquet file that can be read: {error}") from None

    def _checked(self, field: FieldSpec, schema: pa.Schema) -> FieldSpec:
        kind = schema.field(field.source_column).type
        if types.is_list(kind) or types.is_large_list(kind):
            if field.kind == "multi_valued":
                return field.model_copy(update={"separator": LIST_SEPARATOR})
            raise InputError(
                f"{self.path}: column {field.source_column!r} holds lists; "
                f'field {field.name!r} needs kind = "multi_valued"'
            )
        if types.is_nested(kind):
            raise InputError(
                f"{self.path}: column {field.source_column!r} is of type {kind}; texts, numbers "
                "and lists of them can be read"
            )
        return field

    def _coded(self, batch: pa.RecordBatch, name: str, faults: Faults) -> pa.DictionaryArray:
        try:
            column = _coded(batch.column(name))
        except pa.ArrowException as error:
            raise InputError(f"{self.path}: column {name!r} cannot be read: {error}") from None
        return column if _is_utf8(column.dictionary) else _noted(column, name, faults)


def _is_utf8(texts: pa.StringArray) -> bool:
    """Arrow does not look at a column's texts when it reads them."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _noted(column: pa.DictionaryArray, name: str, faults: Faults) -> pa.DictionaryArray:
    """Notes the rows whose text is not UTF-8, and empties it: what follows reads every text."""
    texts = column.dictionary
    valid = np.array([_is_utf8(texts[at : at + 1]) for at in range(len(texts))])
    bad = np.flatnonzero(~valid[column.indices.to_numpy()])
    faults.add(bad, NOT_UTF8, lambda _: f"the column {name!r} is not valid UTF-8")
    readable = pc.if_else(pa.array(valid), texts, MISSING)
    return pa.DictionaryArray.from_arrays(column.indices, readable)


def _coded(column: pa.Array) -> pa.DictionaryArray:
    """The column as codes of its distinct values' texts; null and NaN are the missing value.

    Booleans are 1 and 0, and whole numbers have the same text in every type of column: an integer
    column becomes one of float64 where a program meets a missing value. Items of lists are as they
    would be in a plain column.
    """
    if types.is_list(column.type) or types.is_large_list(column.type):
        column = _joined(column)
    elif types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_boolean(column.type):
        column = column.cast(pa.int8())
    encoded = column.dictionary_encode(null_encoding="encode")
    distinct = encoded.dictionary
    if types.is_floating(column.type):
        texts = number_texts(distinct)
    else:
        texts = distinct.cast(options=_AS_TEXT).fill_null(MISSING)
    return pa.DictionaryArray.from_arrays(encoded.indices, texts)


def _joined(column: pa.ListArray | pa.LargeListArray) -> pa.StringArray:
    """One text for each list.

    Raises:
        pa.ArrowException: when the items are lists themselves.
    """
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    items = column.flatten()
    if types.is_nested(items.type):
        raise pa.ArrowNotImplementedError(f"{items.type} in a list")
    texts = _coded(items).dictionary_decode()
    return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), LIST_SEPARATOR)
