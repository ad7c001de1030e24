"""Which lines of a block leave a quote open, and what it costs to find them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.delimited_lines import TextFormat, parse_lines
from pipeline.data.sources.faults import Faults
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.unreadable_lines import note_open_quotes

CLOSED = ['"a",b', '"a""b",c', 'a"b,c', "a,b", "", '"a"b",c', '"a","b","c"', '"a"\r']
OPEN = ['"a,b', 'a,"b', '"a""', 'a,"', '"a,b\r']


class Parser:
    """Parses lines of two columns, and counts how often it is asked."""

    def __init__(self) -> None:
        self.parses = 0

    def quotes_close(self, data: bytearray, lines: int) -> bool:
        self.parses += 1
        return parse_lines(data, lines, TextFormat(",", True), 2, [0]).quotes_close


def open_lines(lines: list[str], parser: Parser) -> list[int]:
    data = bytearray("\n".join(lines).encode() + b"\n")
    faults = Faults(SourceFile("log.csv"), "line", 1, "skip")
    found: list[int] = note_open_quotes(data, parser.quotes_close, faults).tolist()
    return found


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=40))
def test_the_lines_that_leave_a_quote_open_are_found_whatever_stands_around_them(
    kinds: list[tuple[bool, int]],
) -> None:
    lines = [OPEN[number] if is_open else CLOSED[number] for is_open, number in kinds]
    assert open_lines(lines, Parser()) == [row for row, (is_open, _) in enumerate(kinds) if is_open]


@pytest.mark.parametrize("place", [0, 700, 999])
def test_one_open_quote_among_a_thousand_lines_takes_few_parses(place: int) -> None:
    lines = ['"a",b'] * 1_000
    lines[place] = '"a,b'
    parser = Parser()
    assert open_lines(lines, parser) == [place]
    # Both halves of ten groups, and the whole.
    assert parser.parses <= 21
