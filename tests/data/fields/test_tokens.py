from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.tokens import split_tokens
from pipeline.spec_data import FieldSpec


def split(values: list[str], max_length: int = 16, separator: str = "|") -> list[list[str]]:
    field = FieldSpec(name="f", kind="multi_valued", separator=separator, max_length=max_length)
    tokens, offsets = split_tokens(field, pa.array(values, pa.string()))
    texts = tokens.to_pylist()
    return [texts[a:b] for a, b in pairwise(offsets)]


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("a", ["a"]),
        ("a|b|a", ["a", "b", "a"]),
        ("", [""]),
        ("|", [""]),
        ("|a||b|", ["a", "b"]),
        ("a b|c", ["a b", "c"]),
    ],
)
def test_tokens_of_a_value(value: str, tokens: list[str]) -> None:
    assert split([value]) == [tokens]


def test_the_separator_may_be_longer_than_a_character() -> None:
    assert split(["a, b,c"], separator=", ") == [["a", "b,c"]]


def test_no_values_have_no_tokens() -> None:
    assert split([]) == []


@given(st.lists(st.text("ab|", max_size=8), max_size=20), st.integers(1, 4))
def test_the_first_tokens_are_kept(values: list[str], max_length: int) -> None:
    expected = [[piece for piece in v.split("|") if piece][:max_length] or [""] for v in values]
    assert split(values, max_length) == expected
