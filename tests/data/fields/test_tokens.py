from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.tokens import split_tokens, with_tokens
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


def tokens_of(field: FieldSpec, values: list[str]) -> pa.DictionaryArray:
    return with_tokens(field, pa.array(values).dictionary_encode())


def test_values_give_way_to_the_tokens_that_follow_from_them() -> None:
    numeric = tokens_of(FieldSpec(name="f", kind="numeric"), ["100", "2", "", "101", "2.0"])
    assert numeric.to_pylist() == ["21", "0", "", "21", "0"]
    assert numeric.dictionary.to_pylist() == ["21", "0", ""]
    hour = tokens_of(FieldSpec(name="f", transform="hour_of_day"), ["14102107", "14102207", ""])
    assert hour.to_pylist() == ["7", "7", ""]


@pytest.mark.parametrize(
    "field",
    [
        FieldSpec(name="f"),
        FieldSpec(name="f", kind="numeric", binning="quantile"),
        FieldSpec(name="f", kind="multi_valued"),
        FieldSpec(name="f", kind="dense"),
    ],
    ids=lambda field: f"{field.kind} {field.binning}",
)
def test_values_stay_where_tokens_are_learnt_or_several_or_none(field: FieldSpec) -> None:
    assert tokens_of(field, ["100", "2", "100"]).to_pylist() == ["100", "2", "100"]
