"""Finds lines of a text block that no parser can read as one row, and blanks them.

A blanked line keeps its number. The usual block has none of them and costs four fast scans.
"""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from pipeline.data.sources.faults import LONE_RETURN, NOT_UTF8, NUL_BYTE, OPEN_QUOTE, Faults


def note_unreadable(data: bytearray, faults: Faults) -> np.ndarray:
    """Notes lines that are not UTF-8, or hold a NUL or a carriage return before their end.

    Returns:
        Their positions in the block.
    """
    bad = []
    if not _is_utf8(data):
        bad.append(_rows_where(data, lambda line: not _is_utf8(line)))
        faults.add(bad[-1], NOT_UTF8, lambda _: "not valid UTF-8")
    if b"\0" in data:
        bad.append(_rows_where(data, lambda line: b"\0" in line))
        faults.add(bad[-1], NUL_BYTE, lambda _: "a NUL byte inside the line")
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        bad.append(_rows_where(data, lambda line: b"\r" in line.removesuffix(b"\r")))
        faults.add(bad[-1], LONE_RETURN, lambda _: "a carriage return inside the line")
    return np.concatenate([np.empty(0, np.int64), *bad])


def note_open_quotes(data: bytearray, delimiter: str, faults: Faults) -> np.ndarray:
    """Notes lines that end within quotes.

    Each line is judged by itself, by Arrow's rule: Arrow would run lines on into each other.

    Args:
        data: the block.
        delimiter: between columns.
        faults: where to note them.

    Returns:
        Their positions in the block.
    """
    closed = _closed_line(delimiter)
    bad = _rows_where(data, lambda line: b'"' in line and not closed.fullmatch(line))
    faults.add(bad, OPEN_QUOTE, lambda _: "a quote that is not closed on its line")
    return bad


def _closed_line(delimiter: str) -> re.Pattern[bytes]:
    """Matches a line that closes its quotes.

    A value is quoted only if it begins with a quote. Two quotes within it stand for one; after the
    one that ends it, quotes are text like any other.
    """
    value = rf'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))[^{delimiter}]*'
    return re.compile(rf"{value}(?:{delimiter}{value})*".encode())


def blank_lines(data: bytearray, rows: np.ndarray) -> bytearray:
    """The block with the lines at ``rows`` empty."""
    if not len(rows):
        return data
    lines = data.split(b"\n")
    for row in rows.tolist():
        lines[row] = bytearray()
    return bytearray(b"\n").join(lines)


def _rows_where(data: bytearray, is_bad: Callable[[bytearray], bool]) -> np.ndarray:
    lines = data.split(b"\n")
    return np.array([row for row, line in enumerate(lines) if is_bad(line)], dtype=np.int64)


def _is_utf8(data: bytearray) -> bool:
    """Arrow's check, which does not hold the interpreter and takes 16 MB of ASCII in 1 ms."""
    offsets = pa.array([0, len(data)], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
