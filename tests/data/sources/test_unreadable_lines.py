"""Which lines of a block leave a quote open, and what it costs to find them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.delimited_lines import TextFormat, parse_lines
from pipeline.data.sources.faults import Faults
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.unreadable_lines import note_open_quotes

CLOSED = ['"a",b', '"a""b",c', 'a"b,c', "a,b", "", '"a"b",c', '"a","b","c"', '"a"\r']
OPEN = ['"a,b', 'a,"b', '"a""', 'a,"', '"a,b\r']


def open_lines(lines: list[str]) -> list[int]:
    data = bytearray("\n".join(lines).encode() + b"\n")
    faults = Faults(SourceFile("log.csv"), "line", 1, "skip")
    found: list[int] = note_open_quotes(data, ",", faults).tolist()
    return found


def is_open_to_arrow(line: str) -> bool:
    return not parse_lines(bytearray(line.encode()), 1, TextFormat(",", True), 2, [0]).quotes_close


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=40))
def test_the_lines_that_leave_a_quote_open_are_found_whatever_stands_around_them(
    kinds: list[tuple[bool, int]],
) -> None:
    lines = [OPEN[number] if is_open else CLOSED[number] for is_open, number in kinds]
    assert open_lines(lines) == [row for row, (is_open, _) in enumerate(kinds) if is_open]


@given(st.lists(st.text('"",a\u00e9', max_size=12), max_size=20))
def test_a_line_is_open_where_arrow_says_so_of_it_alone(lines: list[str]) -> None:
    assert open_lines(lines) == [row for row, line in enumerate(lines) if is_open_to_arrow(line)]


def test_newlines_within_quotes_cost_little_however_many_they_are() -> None:
    lines = ['0,"great product, really', 'liked it",5'] * 5_000
    begun = time.process_time()
    assert open_lines(lines) == list(range(0, 10_000, 2))
    # Arrow, asked about two lines at a time, takes some seconds.
    assert time.process_time() - begun < 1


def test_a_long_line_is_judged_in_time_that_rises_with_its_length() -> None:
    long = ['"' + '""' * 200_000, '"a","b""",' * 40_000 + '"']
    begun = time.process_time()
    assert open_lines(long) == [0, 1]
    assert time.process_time() - begun < 1
