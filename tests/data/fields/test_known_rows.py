"""Rows of two datasets are each other's where their tokens are."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data.fields.known_rows import known_rows
from pipeline.data.manifest import Field


def dataset(folder: Path, tokens: list[str | None], recipe: str = "categorical") -> Field:
    """A dataset directory with one vocabulary."""
    (folder / "vocabulary").mkdir(parents=True)
    ids = pa.array(np.arange(len(tokens), dtype=np.int32))
    table = pa.table({"token": pa.array(tokens, pa.string()), "id": ids})
    pq.write_table(table, folder / "vocabulary" / "user.parquet")
    return Field("user", "categorical", len(tokens), recipe=recipe)


def rows(
    tmp_path: Path, new: list[str | None], old: list[str | None], recipes: tuple[str, str]
) -> list[int]:
    here = dataset(tmp_path / "new", new, recipes[0])
    there = dataset(tmp_path / "old", old, recipes[1])
    return known_rows(here, tmp_path / "new", there, tmp_path / "old").tolist()


LEARNT = ("categorical", "categorical")


def test_tokens_are_found_in_any_order_and_new_ones_are_unknown(tmp_path: Path) -> None:
    new, old = [None, "ann", "", "eve", "bob"], [None, "bob", "ann", ""]
    assert rows(tmp_path, new, old, LEARNT) == [0, 2, 3, -1, 1]


def test_a_token_named_like_a_missing_one_is_not_the_out_of_vocabulary_row(tmp_path: Path) -> None:
    assert rows(tmp_path, [None, "null"], [None, "none"], LEARNT) == [0, -1]


def test_given_ids_are_found_when_there_are_more_of_them(tmp_path: Path) -> None:
    recipes = ("categorical identity 3", "categorical identity 2")
    assert rows(tmp_path, ["0", "1", "2", ""], ["0", "1", ""], recipes) == [0, 1, -1, 2]


def test_a_vocabulary_from_a_file_knows_learnt_tokens(tmp_path: Path) -> None:
    recipes = ("categorical file", "categorical")
    assert rows(tmp_path, [None, "b"], [None, "a", "b"], recipes) == [0, 2]


def test_hashed_rows_are_the_same_where_both_have_as_many(tmp_path: Path) -> None:
    tokens = [None, "", None, None]
    same = ("categorical hash 4", "categorical hash 4")
    assert rows(tmp_path, [*tokens], [*tokens], same) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "recipes",
    [
        ("categorical hash 4", "categorical hash 5"),
        ("numeric log 2.0", "numeric log_square"),
        ("categorical weekday", "categorical"),
    ],
)
def test_nothing_is_known_where_values_became_tokens_in_another_way(
    tmp_path: Path, recipes: tuple[str, str]
) -> None:
    assert rows(tmp_path, [None, "1", "2"], [None, "1", "2"], recipes) == [-1, -1, -1]


def test_a_vocabulary_that_is_not_there_is_named(tmp_path: Path) -> None:
    field = dataset(tmp_path / "new", [None, "a"])
    with pytest.raises(InputError, match=r"old/vocabulary/user\.parquet: the vocabulary cannot be"):
        known_rows(field, tmp_path / "new", field, tmp_path / "old")
