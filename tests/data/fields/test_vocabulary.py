from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.counts import RunningCounts
from pipeline.data.fields.vocabulary import (
    ListedVocabulary,
    count_values,
    learn_encoding,
)
from pipeline.spec_data import FieldSpec

CATEGORICAL = FieldSpec(name="f")
MULTI_VALUED = FieldSpec(name="f", kind="multi_valued", max_length=3)
QUANTILE = FieldSpec(name="f", kind="numeric", binning="quantile", bins=4)

token_lists = st.lists(st.text("abcé ", max_size=2), min_size=1, max_size=60)


def learn(
    field: FieldSpec, rows: list[str], minimum_count: int = 1, chunk: int = 1_000
) -> ListedVocabulary:
    """From rows in chunks of ``chunk``."""
    running = RunningCounts()
    for start in range(0, len(rows), chunk):
        column = pa.array(rows[start : start + chunk], pa.string()).dictionary_encode()
        running.add(count_values(field, column, column.indices.to_numpy()))
    learnt = learn_encoding(field, running.total(), minimum_count)
    assert isinstance(learnt, ListedVocabulary)
    return learnt


@given(rows=token_lists, minimum_count=st.integers(1, 4))
def test_frequent_tokens_come_back_and_rare_ones_are_id_0(
    rows: list[str], minimum_count: int
) -> None:
    vocabulary = learn(CATEGORICAL, rows, minimum_count)
    ids = vocabulary.encode(CATEGORICAL, pa.array(rows, pa.string()))
    assert isinstance(ids, np.ndarray)
    decode = [None, *vocabulary.tokens.to_pylist()]
    counts = Counter(rows)
    for row, id_ in zip(rows, ids.tolist(), strict=True):
        known = counts[row] >= minimum_count or row == ""
        assert decode[id_] == (row if known else None)


@given(rows=token_lists, minimum_count=st.integers(1, 4))
def test_ids_fall_by_count_and_ties_by_bytes(rows: list[str], minimum_count: int) -> None:
    vocabulary = learn(CATEGORICAL, rows, minimum_count)
    counts = Counter(rows)
    kept = [t for t in counts if counts[t] >= minimum_count or t == ""]
    assert vocabulary.tokens.to_pylist() == sorted(kept, key=lambda t: (-counts[t], t.encode()))
    rare = sum(count for token, count in counts.items() if token not in kept)
    assert vocabulary.counts.tolist() == [rare, *(counts[t] for t in vocabulary.tokens.to_pylist())]


@pytest.mark.parametrize("field", [CATEGORICAL, MULTI_VALUED])
@given(rows=token_lists, chunk=st.integers(1, 7), seed=st.integers(0, 3))
def test_ids_do_not_depend_on_order_or_chunks(
    field: FieldSpec, rows: list[str], chunk: int, seed: int
) -> None:
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    first, second = learn(field, rows), learn(field, shuffled, chunk=chunk)
    assert first.tokens.equals(second.tokens)
    assert first.counts.tolist() == second.counts.tolist()


@given(st.lists(st.text("ab|", max_size=8), min_size=1, max_size=40))
def test_tokens_of_a_multi_valued_field_count_by_occurrence(rows: list[str]) -> None:
    vocabulary = learn(MULTI_VALUED, rows)
    expected: Counter[str] = Counter()
    for row in rows:
        expected.update([piece for piece in row.split("|") if piece][:3] or [""])
    found = dict(zip(vocabulary.tokens.to_pylist(), vocabulary.counts[1:].tolist(), strict=True))
    assert found == expected


def test_quantile_bins_are_learnt_and_encode_new_values() -> None:
    rows = [str(value) for value in range(8)] + [""]
    vocabulary = learn(QUANTILE, rows)
    assert sorted(vocabulary.tokens.to_pylist()) == [
        "",
        "[-inf, 2)",
        "[2, 4)",
        "[4, 6)",
        "[6, inf)",
    ]
    ids = vocabulary.encode(QUANTILE, pa.array(["-100", "0", "1.9", "2", "2.0", "99", ""]))
    assert isinstance(ids, np.ndarray)
    decode = [None, *vocabulary.tokens.to_pylist()]
    low, high = "[-inf, 2)", "[6, inf)"
    assert [decode[i] for i in ids] == [low, low, low, "[2, 4)", "[2, 4)", high, ""]


def test_values_that_no_row_has_are_not_counted() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["a", "b"]))
    counted = count_values(CATEGORICAL, column, column.indices.to_numpy())
    assert counted.values.to_pylist() == ["a"]


def test_the_file_has_the_out_of_vocabulary_row_first(tmp_path: Path) -> None:
    learn(CATEGORICAL, ["a", "b", "b", "c", "", "b"], 2).write(tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet")
    assert table.to_pylist() == [
        {"token": None, "id": 0, "count": 2},
        {"token": "b", "id": 1, "count": 3},
        {"token": "", "id": 2, "count": 1},
    ]
    assert [str(column.type) for column in table.columns] == ["string", "int32", "int64"]
