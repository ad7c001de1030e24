"""Finds lines of a text block that no parser can read as one row, and blanks them.

A blanked line keeps its number. The usual block has none of them and costs four fast scans.
"""

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


def note_open_quotes(
    data: bytearray, quotes_close: Callable[[bytearray, int], bool], faults: Faults
) -> np.ndarray:
    """Notes lines that end within quotes.

    Lines are parsed together and halved where a quote stays open: one by one, a block of quoted
    lines would take a hundred times as long to parse for a single bad one.

    Args:
        data: the block.
        quotes_close: whether lines, given with their number, each close their quotes.
        faults: where to note them.

    Returns:
        Their positions in the block.
    """
    lines = data.split(b"\n")
    quoted = [row for row, line in enumerate(lines) if b'"' in line]
    bad = np.array(_open_among(quoted, lines, quotes_close), dtype=np.int64)
    faults.add(bad, OPEN_QUOTE, lambda _: "a quote that is not closed on its line")
    return bad


def _open_among(
    rows: list[int], lines: list[bytearray], quotes_close: Callable[[bytearray, int], bool]
) -> list[int]:
    """Those of ``rows`` whose line leaves a quote open."""
    together = bytearray(b"\n").join(lines[row] for row in rows)
    if not rows or quotes_close(together, len(rows)):
        return []
    if len(rows) == 1:
        return rows
    half = len(rows) // 2
    return [
        *_open_among(rows[:half], lines, quotes_close),
        *_open_among(rows[half:], lines, quotes_close),
    ]


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
