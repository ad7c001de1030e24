import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.delimited_lines import Parsed, TextFormat, parse_lines

PLAIN, QUOTED = TextFormat(",", False), TextFormat(",", True)
COLUMNS = 3
values = st.text(
    st.characters(exclude_characters='\0\n\r,"', exclude_categories=["Cs"]), max_size=12
)
tables = st.lists(st.lists(values, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=30)


def parsed(text: str, layout: TextFormat, needed: list[int]) -> Parsed:
    data = bytearray(text.encode())
    return parse_lines(data, len(text.removesuffix("\n").split("\n")), layout, COLUMNS, needed)


def columns_of(result: Parsed) -> dict[int, list[str]]:
    return {position: column.to_pylist() for position, column in result.columns.items()}


@given(rows=tables, needed=st.lists(st.integers(0, COLUMNS - 1), min_size=1), ends=st.booleans())
def test_lines_are_read_as_the_csv_module_reads_them(
    rows: list[list[str]], needed: list[int], ends: bool
) -> None:
    text = "\n".join(map(",".join, rows)) + ("\n" if ends else "")
    read = list(csv.reader(io.StringIO(text), quoting=csv.QUOTE_NONE))
    assert [row or [""] for row in read] == rows
    result = parsed(text, PLAIN, needed)
    assert columns_of(result) == {n: [row[n] for row in rows] for n in needed}
    assert result.wrong == {}


@given(rows=tables, ends=st.booleans())
def test_quotes_change_nothing_but_the_road(rows: list[list[str]], ends: bool) -> None:
    plain = "\n".join(map(",".join, rows)) + ("\n" if ends else "")
    quoted = "\n".join(f'"{row[0]}",' + ",".join(row[1:]) for row in rows) + ("\n" if ends else "")
    one, other = parsed(plain, QUOTED, [0, 1, 2]), parsed(quoted, QUOTED, [0, 1, 2])
    assert columns_of(one) == columns_of(other)
    assert one.quotes_close
    assert other.quotes_close


def test_both_roads_note_lines_alike() -> None:
    plain = parsed("a,b,c\na,b\n\n,,,\nd,e,f\r\n", QUOTED, [0, 2])
    quoted = parsed('"a",b,c\na,b\n\n,,,\nd,e,f\r\n', QUOTED, [0, 2])
    for result in (plain, quoted):
        assert columns_of(result) == {0: ["a", "", "d"], 2: ["c", "", "f"]}
        assert result.wrong == {1: "2 columns found, 3 expected", 3: "4 columns found, 3 expected"}


def test_a_quote_that_is_left_open_is_told() -> None:
    assert not parsed('a,"b,c\nd,e,f\n', QUOTED, [0]).quotes_close
    assert not parsed('d,e,f\na,b,"c', QUOTED, [0]).quotes_close
    assert parsed('a,"b,c\nd,e,f\n', PLAIN, [0]).wrong == {}
