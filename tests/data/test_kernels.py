"""The compiled loops, against Python's own splitting and dictionaries."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.kernels import ABSENT, code_all, empty_table, tokenize

# Of all lengths around the eight bytes that are a key of their own; any byte but a line's own.
tokens = st.one_of(
    st.sampled_from(
        [b"", b"a", b"ab", b"\0", b"a\0", b"\0a", b"\xff" * 8, b"12345678", b"123456789"]
    ),
    st.binary(max_size=20).map(lambda b: b.translate(None, b"\n\r\t")),
)


def tokenized(data: bytes, columns: int, needed: list[int]) -> tuple[list[list[bytes]], list[int]]:
    """The needed columns of the lines that have all columns, and the columns of every line."""
    lines = data.count(b"\n")
    text = np.frombuffer(data, np.uint8)
    codes, offsets, distinct, found = tokenize(text, 9, columns, np.array(needed), lines)
    values = []
    for column, ends, content in zip(codes, offsets, distinct, strict=True):
        known = [bytes(content[a:b]) for a, b in pairwise(ends)]
        assert len(set(known)) == len(known)
        assert list(dict.fromkeys(column.tolist())) == list(range(len(known)))
        values.append([known[code] for code in column])
    return values, found.tolist()


def split(data: bytes, columns: int, needed: list[int]) -> tuple[list[list[bytes]], list[int]]:
    """The same with Python's own split."""
    rows = [line.removesuffix(b"\r").split(b"\t") for line in data.split(b"\n")[:-1]]
    rows = [[b""] * columns if row == [b""] else row for row in rows]
    whole = [row for row in rows if len(row) == columns]
    return [[row[column] for row in whole] for column in needed], [len(row) for row in rows]


@given(
    rows=st.lists(st.lists(tokens, min_size=1, max_size=4), min_size=1, max_size=30),
    columns=st.integers(1, 4),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    repeats=st.sampled_from([1, 50]),
    data=st.data(),
)
def test_lines_are_cut_as_python_splits_them(
    rows: list[list[bytes]], columns: int, ending: bytes, repeats: int, data: st.DataObject
) -> None:
    needed = data.draw(st.lists(st.integers(0, columns - 1), min_size=1, unique=True))
    text = b"".join(b"\t".join(row) + ending for row in rows * repeats)
    assert tokenized(text, columns, needed) == split(text, columns, needed)


@pytest.mark.parametrize("columns", [1, 300, 70_000])
def test_any_number_of_columns_is_cut(columns: int) -> None:
    row = b"\t".join(b"%d" % (n % 7) for n in range(columns)) + b"\n"
    needed = [0, columns // 2, columns - 1]
    assert tokenized(row * 3, columns, needed) == split(row * 3, columns, needed)


def test_thousands_of_distinct_tokens_keep_their_codes() -> None:
    text = b"".join(b"%d\tlonger than a key %d\n" % (n * n, n) for n in range(20_000)) * 2
    assert tokenized(text, 2, [0, 1]) == split(text, 2, [0, 1])


def test_more_lines_than_were_counted_are_left_alone() -> None:
    codes, *_, found = tokenize(np.frombuffer(b"a\nb\nc\n", np.uint8), 9, 1, np.array([0]), 2)
    assert codes.tolist() == [[0, 1]]
    assert found.tolist() == [1, 1]


def arrays(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer(b"".join(texts), np.uint8)
    return data, np.cumsum([0, *map(len, texts)], dtype=np.int32)


@given(st.lists(st.lists(tokens, max_size=30), max_size=5), st.lists(tokens, max_size=30))
def test_a_table_is_a_dictionary(chunks: list[list[bytes]], asked: list[bytes]) -> None:
    expected: dict[bytes, int] = {}
    table, known = empty_table(), 0
    for chunk in chunks:
        codes, table, known = code_all(*arrays(chunk), table, known, True)
        assert codes.tolist() == [expected.setdefault(token, len(expected)) for token in chunk]
    assert known == len(expected)
    found, _, after = code_all(*arrays(asked), table, known, False)
    assert found.tolist() == [expected.get(token, ABSENT) for token in asked]
    assert after == known


MASK = 2**64 - 1


def colliding(number: int) -> bytes:
    """Tokens of 16 bytes that all have the same hash: the second half undoes the first."""

    def state(first_half: int) -> int:
        mixed = (16 ^ first_half) * 0xBF58476D1CE4E5B9 & MASK
        return mixed ^ mixed >> 32

    second_half = state(1) ^ state(number)
    return number.to_bytes(8, "little") + second_half.to_bytes(8, "little")


def test_tokens_with_equal_hashes_are_told_apart() -> None:
    distinct = [colliding(number) for number in range(1, 300)]
    table, known = empty_table(), 0
    for _ in range(2):
        codes, table, known = code_all(*arrays(distinct), table, known, True)
        assert codes.tolist() == list(range(299))
    # They do collide.
    assert len(set(table.keys[:known].tolist())) == 1


def test_two_slices_of_a_text_are_equal_wherever_they_stand() -> None:
    texts = [b"x" * start + b"\tabcdefgh" for start in range(20)]
    text = b"\n".join(texts) + b"\n"
    values, _ = tokenized(text, 2, [1])
    assert values == [[b"abcdefgh"] * 20]
