"""Criteo's and CSV files, plain or compressed, as chunks of coded columns."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.console import InputError
from pipeline.data.fields.schemas import CRITEO_COLUMNS
from pipeline.data.sources.byte_blocks import Block, line_blocks, opened
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.columns import checked_chunk, find_columns
from pipeline.data.sources.delimited_lines import Parsed, TextFormat, parse_lines
from pipeline.data.sources.faults import HEADER, WRONG_COLUMNS, Faults, Policy
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.split_rules import SplitRule
from pipeline.data.sources.unreadable_lines import blank_lines, note_open_quotes, note_unreadable
from pipeline.spec_data import FieldSpec

# A row starts with its label. (A header that belongs there is not among the blocks.)
_STARTS_LIKE_A_NAME = re.compile(rb'"?[A-Za-z_]')

# As many are read at first to find the header.
_HEADER_BYTES = 1 << 16

CRITEO = TextFormat("\t", False, CRITEO_COLUMNS)
CSV = TextFormat(",", True)


class TextSource:
    """A text file. Blocks are cut in one thread and parsed in any.

    Attributes:
        path: the file.
        fields: the fields that are read.
        size: bytes of the file.
        bytes_done: bytes of the file that blocks were cut from so far.
        digest: the file's SHA-256, once its last block was cut.
    """

    def __init__(
        self,
        path: SourceFile,
        layout: TextFormat,
        fields: Sequence[FieldSpec],
        labels: Sequence[str],
        policy: Policy,
        block_bytes: int,
        rule: SplitRule | None,
    ) -> None:
        """Opens the file and finds its columns.

        Args:
            path: the file.
            layout: how it is written.
            fields: the fields to read.
            labels: the labels' columns.
            policy: what to do with bad rows.
            block_bytes: about the size of a block.
            rule: settles the rows' splits, if a column does.

        Raises:
            InputError: when the file cannot be read, is empty or lacks a column.
        """
        self.path, self.fields, self._labels = path, tuple(fields), tuple(labels)
        self.bytes_done, self.digest = 0, ""
        self._rule = rule
        self._layout, self._policy, self._block_bytes = layout, policy, block_bytes
        self.size = path.size()
        columns = layout.columns or self._header()
        extra = [*labels, rule.column] if rule else labels
        wanted = [*(field.source_column for field in fields), *extra]
        self._column_count = len(columns)
        self._needed = find_columns(path, columns, wanted)

    def blocks(self) -> Iterator[Block]:
        """Cuts the file into blocks of rows; the header is not among them."""
        has_header = not self._layout.columns
        with opened(self.path) as raw:
            for block in line_blocks(self.path, raw, self._block_bytes):
                self.bytes_done = raw.bytes_read
                rows = _without_header(block) if has_header and block.first_line == 1 else block
                if rows.lines:
                    yield rows
            self.digest = raw.hexdigest()

    def parse(self, block: Block) -> Chunk:
        """Parses and checks a block.

        Raises:
            InputError: for the first bad row, unless bad rows are skipped.
        """
        faults = Faults(self.path, "line", block.first_line, self._policy)
        if block.first_line == 1 and _STARTS_LIKE_A_NAME.match(block.data):
            faults.add(np.zeros(1, np.int64), HEADER, lambda _: "a header, the format has none")
        data = blank_lines(block.data, note_unreadable(block.data, faults))
        parsed = self._parsed(data, block.lines)
        if not parsed.quotes_close:
            data = blank_lines(data, note_open_quotes(data, self._layout.delimiter, faults))
            parsed = self._parsed(data, block.lines)
        wrong = parsed.wrong
        wrong_rows = np.array(sorted(wrong), dtype=np.int64)
        faults.add(wrong_rows, WRONG_COLUMNS, lambda row: wrong[row])
        positions = np.delete(np.arange(block.lines), wrong_rows)
        columns = [parsed.columns[index] for index in self._needed]
        return checked_chunk(
            self.fields, self._labels, columns, positions, block.lines, faults, self._rule
        )

    def _parsed(self, data: bytearray, lines: int) -> Parsed:
        return parse_lines(data, lines, self._layout, self._column_count, self._needed)

    def _header(self) -> tuple[str, ...]:
        """The names in the first line."""
        self.path.check_lasts("header")
        with opened(self.path) as raw:
            block = next(line_blocks(self.path, raw, min(_HEADER_BYTES, self._block_bytes)))
        line = block.data.split(b"\n", 1)[0].removesuffix(b"\r")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise InputError(f"{self.path}: line 1: the header is not valid UTF-8") from None
        try:
            return tuple(next(csv.reader([text], delimiter=self._layout.delimiter), []))
        except csv.Error as error:
            raise InputError(
                f"{self.path}: line 1: the header cannot be read: {error}; the columns' names and "
                "a newline after them are expected"
            ) from None


def _without_header(block: Block) -> Block:
    _, _, data = block.data.partition(b"\n")
    return replace(block, data=data, first_line=2, lines=block.lines - 1)
