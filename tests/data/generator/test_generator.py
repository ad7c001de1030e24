"""The generated log: its format, its distributions, its planted structure, and its safety."""

import csv
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.console import InputError
from pipeline.data.generator.generate import Generated, generate
from pipeline.data.generator.generated_fields import (
    CATEGORICAL_FIELDS,
    FIELDS,
    INTEGER_FIELDS,
)
from pipeline.data.generator.planted_interactions import PATTERNS, PLANTED_FIELDS, RANK, plant
from pipeline.metrics.auc import auc
from pipeline.spec_generator import GeneratorSpec

ROWS = 40_000
SPEC = GeneratorSpec(rows=ROWS, seed=3)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Generated]:
    path = tmp_path_factory.mktemp("generated") / "train.txt"
    return path, generate(path, SPEC)


@pytest.fixture(scope="module")
def columns(log: tuple[Path, Generated]) -> dict[str, np.ndarray]:
    """Each column as texts, read by Python's own csv module."""
    with log[0].open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {len(row) for row in rows} == {40}
    names = ["label", *(field.name for field in FIELDS)]
    return dict(zip(names, np.array(rows).T, strict=True))


class TestFormat:
    def test_there_is_a_line_a_row(self, columns: dict[str, np.ndarray]) -> None:
        assert {len(column) for column in columns.values()} == {ROWS}

    def test_labels_are_0_or_1_and_those_returned(
        self, columns: dict[str, np.ndarray], log: tuple[Path, Generated]
    ) -> None:
        assert set(columns["label"]) == {"0", "1"}
        assert np.array_equal(columns["label"].astype(np.uint8), log[1].labels)

    @pytest.mark.parametrize("field", INTEGER_FIELDS, ids=lambda field: field.name)
    def test_integers_are_integers_or_empty(
        self, columns: dict[str, np.ndarray], field: object
    ) -> None:
        texts = set(columns[field.name])  # type: ignore[attr-defined]
        assert all(re.fullmatch(r"(0|-?[1-9][0-9]{0,9})?", text) for text in texts)

    @pytest.mark.parametrize("field", CATEGORICAL_FIELDS, ids=lambda field: field.name)
    def test_categoricals_are_8_hex_digits_or_empty(
        self, columns: dict[str, np.ndarray], field: object
    ) -> None:
        texts = set(columns[field.name])  # type: ignore[attr-defined]
        assert all(re.fullmatch(r"([0-9a-f]{8})?", text) for text in texts)

    def test_columns_are_criteos(self) -> None:
        names = [f"I{i}" for i in range(1, 14)] + [f"C{i}" for i in range(1, 27)]
        assert [field.name for field in FIELDS] == names


class TestDistributions:
    def test_cardinalities_run_from_4_to_hundreds_of_thousands(self) -> None:
        sizes = sorted(field.cardinality for field in CATEGORICAL_FIELDS)
        assert sizes[0] == 4
        assert sum(size < 30 for size in sizes) >= 5
        assert sum(100 <= size < 10_000 for size in sizes) >= 5
        assert sum(size >= 100_000 for size in sizes) >= 4

    def test_missing_shares_are_those_of_the_fields(self, columns: dict[str, np.ndarray]) -> None:
        for field in FIELDS:
            share = np.mean(columns[field.name] == "")
            assert share == pytest.approx(field.missing, abs=0.01), field.name
        assert sum(field.missing > 0 for field in CATEGORICAL_FIELDS) >= 5
        assert sum(field.missing > 0 for field in INTEGER_FIELDS) >= 5

    @pytest.mark.parametrize("field", CATEGORICAL_FIELDS, ids=lambda field: field.name)
    def test_counts_fall_with_the_rank_as_zipf_says(
        self, columns: dict[str, np.ndarray], field: object
    ) -> None:
        texts = columns[field.name]  # type: ignore[attr-defined]
        _, counts = np.unique(texts[texts != ""], return_counts=True)
        head = np.sort(counts)[::-1][: min(8, len(counts))]
        slope = np.polyfit(np.log(np.arange(1, len(head) + 1)), np.log(head), 1)[0]
        assert -slope == pytest.approx(field.exponent, abs=0.08)  # type: ignore[attr-defined]

    def test_small_fields_show_every_token(self, columns: dict[str, np.ndarray]) -> None:
        for field in CATEGORICAL_FIELDS:
            if field.cardinality < 30:
                assert len(set(columns[field.name]) - {""}) == field.cardinality

    def test_no_two_tokens_of_any_field_share_a_text(self) -> None:
        texts = pa.chunked_array([field.texts[1:] for field in CATEGORICAL_FIELDS])
        assert pa.compute.count_distinct(texts).as_py() == len(texts)

    @pytest.mark.parametrize("medians", [1, 10])
    def test_integers_tail_falls_as_a_power(
        self, columns: dict[str, np.ndarray], medians: int
    ) -> None:
        for field in INTEGER_FIELDS:
            texts = columns[field.name]
            values = texts[texts != ""].astype(np.int64)
            least = np.ceil(medians * field.median)
            expected = 1 / (1 + (least / field.median) ** field.tail)
            share = np.mean(values - field.minimum >= least)
            assert share == pytest.approx(expected, abs=0.02), field.name
            assert values.min() == field.minimum

    def test_criteos_label_rate(self, log: tuple[Path, Generated]) -> None:
        assert log[1].labels.mean() == pytest.approx(0.256, abs=0.01)


class TestPlantedStructure:
    def test_reported_auc_is_that_of_the_probabilities(self, log: tuple[Path, Generated]) -> None:
        expected = auc(log[1].labels, log[1].probabilities)
        assert log[1].auc == pytest.approx(expected, abs=1e-12)

    def test_labels_are_drawn_with_the_probabilities(self, log: tuple[Path, Generated]) -> None:
        labels, probabilities = log[1].labels, log[1].probabilities
        for rows in np.array_split(np.argsort(probabilities), 10):
            deviation = np.sqrt(np.sum(probabilities[rows] * (1 - probabilities[rows])))
            assert abs(labels[rows].sum() - probabilities[rows].sum()) < 4 * deviation

    @pytest.mark.parametrize("seed", [0, 1, 2, 3])
    def test_the_true_probabilities_reach_0_83_to_0_86(self, seed: int, tmp_path: Path) -> None:
        made = generate(tmp_path / "log", GeneratorSpec(rows=20_000, seed=seed))
        assert 0.83 < made.auc < 0.86

    def test_an_additive_model_finds_almost_nothing(
        self, columns: dict[str, np.ndarray], log: tuple[Path, Generated]
    ) -> None:
        labels, half = log[1].labels, ROWS // 2
        scores = np.zeros(ROWS)
        for field in PLANTED_FIELDS:
            _, ids = np.unique(columns[field.name], return_inverse=True)
            shown = np.bincount(ids[:half], minlength=ids.max() + 1)
            clicked = np.bincount(ids[:half], labels[:half], minlength=ids.max() + 1)
            rate = (clicked + 25 * labels.mean()) / (shown + 25)
            scores += np.log(rate / (1 - rate))[ids]
        assert auc(labels[half:], scores[half:]) < 0.6
        assert auc(labels[half:], log[1].probabilities[half:]) > 0.8

    def test_a_table_of_the_rates_of_planted_pairs_finds_it(
        self, columns: dict[str, np.ndarray], log: tuple[Path, Generated]
    ) -> None:
        labels, half = log[1].labels, ROWS // 2
        scores = np.zeros(ROWS)
        for left, right in (pair for pairs in PATTERNS for pair in pairs):
            both = np.char.add(columns[left], np.char.add("|", columns[right]))
            _, ids = np.unique(both, return_inverse=True)
            shown = np.bincount(ids[:half], minlength=ids.max() + 1)
            clicked = np.bincount(ids[:half], labels[:half], minlength=ids.max() + 1)
            rate = (clicked + 25 * labels.mean()) / (shown + 25)
            scores += np.log(rate / (1 - rate))[ids]
        assert auc(labels[half:], scores[half:]) > 0.75

    @given(st.integers(0, 2**32))
    @settings(max_examples=20)
    def test_latent_vectors_are_centred_and_white_under_the_shares(self, seed: int) -> None:
        shares = {field.name: field.shares for field in PLANTED_FIELDS}
        for latent in plant(seed):
            for name, vectors in latent.items():
                assert shares[name] @ vectors == pytest.approx(0, abs=1e-9)
                covariance = (vectors.T * shares[name]) @ vectors
                assert covariance == pytest.approx(np.eye(RANK) / RANK**0.5, abs=1e-9)


class TestDeterminism:
    def test_the_same_spec_gives_the_same_bytes_labels_and_probabilities(
        self, log: tuple[Path, Generated], tmp_path: Path
    ) -> None:
        again = generate(tmp_path / "again.txt", SPEC)
        assert (tmp_path / "again.txt").read_bytes() == log[0].read_bytes()
        assert np.array_equal(again.labels, log[1].labels)
        assert np.array_equal(again.probabilities, log[1].probabilities)
        assert again.auc == log[1].auc

    def test_the_demos_rows_are_those_of_every_version_before(self, tmp_path: Path) -> None:
        generate(tmp_path / "log.txt", GeneratorSpec(rows=500))
        digest = hashlib.sha256((tmp_path / "log.txt").read_bytes()).hexdigest()
        assert digest == "e322481f332b8de7ec3ec547b0c24d68580e11214a0688f2de797747bfd1119e"

    @given(rows=st.integers(1, 400), block_rows=st.integers(1, 500))
    @settings(max_examples=10)
    def test_fewer_rows_or_other_blocks_give_the_same_first_rows(
        self,
        log: tuple[Path, Generated],
        tmp_path_factory: pytest.TempPathFactory,
        rows: int,
        block_rows: int,
    ) -> None:
        path = tmp_path_factory.mktemp("short") / "log.txt"
        made = generate(path, GeneratorSpec(rows=rows, seed=SPEC.seed), block_rows)
        with log[0].open("rb") as file:
            assert path.read_bytes() == b"".join(file.readline() for _ in range(rows))
        assert np.array_equal(made.probabilities, log[1].probabilities[:rows])

    def test_another_seed_gives_other_rows(self, tmp_path: Path) -> None:
        for seed in (0, 1):
            generate(tmp_path / str(seed), GeneratorSpec(rows=10, seed=seed))
        assert (tmp_path / "0").read_bytes() != (tmp_path / "1").read_bytes()


class TestFiles:
    SMALL = GeneratorSpec(rows=50, seed=0)

    def test_folders_are_made_and_nothing_but_log_and_sidecar_is_left(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "log.txt"
        generate(path, self.SMALL)
        left = {entry.name for entry in path.parent.iterdir()}
        assert left == {"log.txt", "log.txt.generated.json"}

    def test_a_second_call_does_not_write_again(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        first = generate(path, self.SMALL)
        written = path.stat()
        second = generate(path, self.SMALL)
        assert path.stat().st_mtime_ns == written.st_mtime_ns
        assert path.stat().st_ino == written.st_ino
        assert np.array_equal(second.probabilities, first.probabilities)

    def test_a_log_of_another_spec_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        generate(path, GeneratorSpec(rows=20, seed=9))
        generate(path, self.SMALL)
        assert path.read_bytes().count(b"\n") == 50

    def test_the_sidecar_tells_what_was_made(self, tmp_path: Path) -> None:
        made = generate(tmp_path / "log.txt", self.SMALL)
        sidecar = json.loads((tmp_path / "log.txt.generated.json").read_text())
        assert sidecar["spec"] == {"rows": 50, "seed": 0}
        assert sidecar["auc"] == made.auc

    def test_a_deleted_log_is_written_again(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        generate(path, self.SMALL)
        before = path.read_bytes()
        path.unlink()
        generate(path, self.SMALL)
        assert path.read_bytes() == before

    def test_a_users_own_file_is_never_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_text("mine\n")
        with pytest.raises(InputError, match=r"log\.txt: was not generated .* is left alone"):
            generate(path, self.SMALL)
        assert path.read_text() == "mine\n"
        assert [entry.name for entry in tmp_path.iterdir()] == ["log.txt"]

    @pytest.mark.parametrize("spec", [SMALL, GeneratorSpec(rows=51)], ids=["same", "another"])
    def test_a_users_file_beside_an_old_sidecar_is_never_overwritten(
        self, tmp_path: Path, spec: GeneratorSpec
    ) -> None:
        path = tmp_path / "log.txt"
        generate(path, self.SMALL)
        path.write_text("mine\n")
        with pytest.raises(InputError, match="has changed since it was generated"):
            generate(path, spec)
        assert path.read_text() == "mine\n"

    @pytest.mark.parametrize("text", ["{", "{}", "[]", '"text"'])
    def test_an_unreadable_sidecar_is_one_line_and_no_overwriting(
        self, tmp_path: Path, text: str
    ) -> None:
        path = tmp_path / "log.txt"
        generate(path, self.SMALL)
        before = path.read_bytes()
        (tmp_path / "log.txt.generated.json").write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            generate(path, self.SMALL)
        assert path.read_bytes() == before

    def test_an_interrupted_writing_leaves_the_old_log(self, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        generate(path, self.SMALL)
        before = sorted((entry.name, entry.read_bytes()) for entry in tmp_path.iterdir())
        with pytest.raises(ValueError, match="range"):
            generate(path, GeneratorSpec(rows=60), block_rows=0)
        assert sorted((entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()) == before
