"""Encodings whose ids do not depend on the data: hashed, as they are, from a file."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console import InputError
from pipeline.data.fields.counts import RunningCounts
from pipeline.data.fields.hashing import hash_texts
from pipeline.data.fields.token_ids import HashedVocabulary, Vocabulary
from pipeline.data.fields.vocabulary import count_values, learn_encoding
from pipeline.data.fields.vocabulary_file import read_tokens
from pipeline.spec_data import FieldSpec


def learn(field: FieldSpec, rows: list[str], chunk: int = 7) -> Vocabulary:
    running = RunningCounts()
    for start in range(0, len(rows), chunk):
        column = pa.array(rows[start : start + chunk], pa.string()).dictionary_encode()
        running.add(count_values(field, column, column.indices.to_numpy()))
    learnt = learn_encoding(field, running.total(), 5)
    assert isinstance(learnt, Vocabulary)
    return learnt


def ids_of(field: FieldSpec, vocabulary: Vocabulary, rows: list[str]) -> list[int]:
    ids = vocabulary.encode(field, pa.array(rows, pa.string()))
    assert isinstance(ids, np.ndarray)
    assert ids.dtype == np.int32
    return ids.tolist()


token_lists = st.lists(st.text("abc", max_size=3), min_size=1, max_size=40)


class TestHash:
    FIELD = FieldSpec(name="f", encoding="hash", hash_rows=10)

    @given(token_lists)
    def test_a_tokens_id_is_its_hash_and_a_missing_one_has_id_1(self, rows: list[str]) -> None:
        vocabulary = learn(self.FIELD, rows)
        hashes = hash_texts(pa.array(rows, pa.string())).tolist()
        expected = [2 + h % 8 if row else 1 for row, h in zip(rows, hashes, strict=True)]
        assert ids_of(self.FIELD, vocabulary, rows) == expected
        assert vocabulary.counts.tolist() == np.bincount(expected, minlength=10).tolist()
        assert vocabulary.cardinality == 10

    def test_tokens_of_a_multi_valued_field_are_hashed_one_by_one(self) -> None:
        field = FieldSpec(name="f", kind="multi_valued", encoding="hash", hash_rows=1_000)
        vocabulary = learn(field, ["a|b", "b", ""])
        rows = vocabulary.encode(field, pa.array(["a|b", "b", ""]))
        a, b, again, missing = rows.values.tolist()
        assert b == again != a
        assert missing == 1
        assert vocabulary.counts[[a, b, 1]].tolist() == [1, 2, 1]

    def test_only_the_missing_value_has_a_token_in_the_file(self, tmp_path: Path) -> None:
        learn(self.FIELD, ["a", "", ""]).write(tmp_path / "f.parquet")
        table = pq.read_table(tmp_path / "f.parquet")
        assert table["token"].to_pylist() == [None, "", *[None] * 8]
        assert table["count"].to_pylist()[:2] == [0, 2]

    def test_rows_without_a_token_take_no_python_object_each(self) -> None:
        vocabulary = HashedVocabulary(np.zeros(1_000_000, np.int64))
        tracemalloc.start()
        tokens = vocabulary.tokens_by_id()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert tokens.null_count == 999_999
        assert peak < 100_000


class TestIdentity:
    FIELD = FieldSpec(name="f", encoding="identity", cardinality=4)

    def test_values_are_ids_and_a_missing_one_has_the_id_after_the_last(
        self, tmp_path: Path
    ) -> None:
        rows = ["3", "0", "", "03", "3"]
        vocabulary = learn(self.FIELD, rows)
        assert ids_of(self.FIELD, vocabulary, rows) == [3, 0, 4, 3, 3]
        assert vocabulary.counts.tolist() == [1, 0, 0, 3, 1]
        vocabulary.write(tmp_path / "f.parquet")
        tokens = pq.read_table(tmp_path / "f.parquet")["token"].to_pylist()
        assert tokens == ["0", "1", "2", "3", ""]


class TestFile:
    def field(self, path: Path, **keys: object) -> FieldSpec:
        return FieldSpec(name="f", encoding="file", vocabulary_file=str(path), **keys)

    def test_ids_are_in_the_files_order_and_other_tokens_have_id_0(self, tmp_path: Path) -> None:
        path = tmp_path / "colors.txt"
        path.write_bytes("red\r\nblau\r\ngrün".encode())
        field = self.field(path)
        rows = ["grün", "red", "pink", "", "red"]
        vocabulary = learn(field, rows)
        assert ids_of(field, vocabulary, rows) == [3, 1, 0, 4, 1]
        assert vocabulary.counts.tolist() == [1, 2, 0, 1, 1]

    def test_an_empty_line_is_the_missing_value(self, tmp_path: Path) -> None:
        path = tmp_path / "colors.txt"
        path.write_text("red\n\nblue\n")
        assert read_tokens(self.field(path), path).to_pylist() == ["red", "", "blue"]

    def test_a_byte_order_mark_is_no_part_of_the_first_token(self, tmp_path: Path) -> None:
        path = tmp_path / "colors.txt"
        path.write_text("red\nblue\n", encoding="utf-8-sig")
        assert read_tokens(self.field(path), path).to_pylist() == ["red", "blue", ""]

    def test_a_datasets_vocabulary_gives_the_same_ids_again(self, tmp_path: Path) -> None:
        field, rows = FieldSpec(name="f"), ["a"] * 6 + ["b"] * 7 + ["rare"]
        first = learn(field, rows)
        first.write(tmp_path / "f.parquet")
        frozen = self.field(tmp_path / "f.parquet")
        second = learn(frozen, ["b", "rare", "new", ""])
        assert second.cardinality == first.cardinality
        assert ids_of(frozen, second, ["a", "b", "rare", "new", ""]) == [2, 1, 0, 0, 0]
        assert second.counts.tolist() == [3, 1, 0]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, ": no such file; set the vocabulary_file of field 'f'"),
            (b"a\nb\na\n", ": the token 'a' is there more than once"),
            (b"a\xff\n", ": not a vocabulary that can be read: 'utf-8' codec"),
        ],
    )
    def test_a_file_that_is_no_vocabulary_is_refused(
        self, tmp_path: Path, content: bytes | None, message: str
    ) -> None:
        path = tmp_path / "tokens.txt"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_tokens(self.field(path), path)
        assert str(caught.value).startswith(f"{path}{message}")

    def test_tokens_of_parquet_that_are_not_utf8_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "f.parquet"
        tokens = pa.array([b"\xff"]).cast(pa.string(), safe=False)
        pq.write_table(pa.table({"token": tokens}), path)
        with pytest.raises(InputError, match=r"not a vocabulary that can be read: .*UTF"):
            read_tokens(self.field(path), path)

    def test_a_parquet_file_without_tokens_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "f.parquet"
        pq.write_table(pa.table({"word": ["a"]}), path)
        with pytest.raises(InputError, match="no column 'token'; it has word"):
            read_tokens(self.field(path), path)
