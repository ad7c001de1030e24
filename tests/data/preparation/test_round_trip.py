"""Random tables, encoded into a dataset and decoded through its vocabularies."""

import csv
import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.data.fields.hashing import hash_texts
from pipeline.data.manifest import SPLITS, read_manifest
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

MINIMUM, OWN_MINIMUM, LONGEST, HASH_ROWS = 3, 2, 2, 7
FIELDS = [
    {"name": "plain"},
    {"name": "own", "minimum_count": OWN_MINIMUM},
    {"name": "number", "kind": "numeric"},
    {"name": "tags", "kind": "multi_valued", "separator": ";", "max_length": LONGEST},
    {"name": "hashed", "encoding": "hash", "hash_rows": HASH_ROWS},
]
Row = tuple[str, str, str, str, str]

tokens = st.sampled_from(["", "a", "b", "é", 'q"q', "x,y", " s "])
numbers = st.one_of(st.just(""), st.integers(-2, 12).map(str), st.sampled_from(["2.0", "2.5"]))
tag_lists = st.lists(st.sampled_from("abcd"), max_size=4).map(";".join)
rows = st.tuples(tokens, tokens, numbers, tag_lists, tokens)
# Counts of exactly one below the thresholds, and at them.
EDGES: list[Row] = [
    *[("at", "at", "3", "at", "x")] * OWN_MINIMUM,
    *[("at", "below", "9", "below;at", "")] * 1,
    *[("below", "", "9", "below;late;cut", "y")] * 2,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def encode(folder: Path, table: list[Row], vocabulary: str) -> Spec:
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "fold", *(field["name"] for field in FIELDS)])
        for number, row in enumerate(table):
            writer.writerow([number % 2, SPLITS[number % 3], *row])
    values = {
        "run": {"directory": str(folder)},
        "data": {
            "format": "csv",
            "source": str(folder / "log.csv"),
            "fields": FIELDS,
            "split": {"by": "column", "column": "fold"},
        },
        "prepare": {"minimum_count": MINIMUM, "vocabulary": vocabulary, "threads": 2},
    }
    spec = Spec.model_validate(values)
    build(spec, {}, block_bytes=40)
    return spec


def decode(directory: Path, split: str) -> list[dict]:
    """A split's rows with tokens in place of ids; the hashed field keeps its ids."""
    words = {
        field.name: pq.read_table(directory / f"vocabulary/{field.name}.parquet")[
            "token"
        ].to_pylist()
        for field in read_manifest(directory).fields
    }
    found = []
    for part in sorted((directory / split).glob("*.parquet")):
        for row in pq.read_table(part).to_pylist():
            for name in ("plain", "own", "number"):
                row[name] = words[name][row[name]]
            row["tags"] = [words["tags"][i] for i in row["tags"]]
            found.append(row)
    return found


def binned(text: str) -> str:
    """The paper's bin of a number."""
    if not text:
        return ""
    value = float(text)
    if value > 2:
        return str(max(math.floor(math.log(value) ** 2), 1))
    return f"{value - 2:g}"


def kept(tokens_of_rows: list[list[str]], learnt_on: list[int], minimum: int) -> set[str]:
    counts = Counter(token for row in learnt_on for token in tokens_of_rows[row])
    return {token for token, count in counts.items() if count >= minimum or token == ""}


@settings(max_examples=25)
@given(table=st.lists(rows, min_size=3, max_size=40), vocabulary=st.sampled_from(["all", "train"]))
@example(table=EDGES, vocabulary="all")
@example(table=EDGES, vocabulary="train")
def test_every_token_at_its_threshold_comes_back_and_every_rarer_one_is_out_of_vocabulary(
    folder: Path, table: list[Row], vocabulary: str
) -> None:
    spec = encode(folder, table, vocabulary)
    learnt_on = [row for row in range(len(table)) if vocabulary == "all" or row % 3 == 0]
    columns = list(zip(*table, strict=True))
    per_field = {
        "plain": ([[token] for token in columns[0]], MINIMUM),
        "own": ([[token] for token in columns[1]], OWN_MINIMUM),
        "number": ([[binned(text)] for text in columns[2]], MINIMUM),
        "tags": (
            [[tag for tag in text.split(";") if tag][:LONGEST] or [""] for text in columns[3]],
            MINIMUM,
        ),
    }
    known = {name: kept(lists, learnt_on, least) for name, (lists, least) in per_field.items()}
    hashes = hash_texts(pa.array(columns[4], pa.string())).tolist()
    for index, split in enumerate(SPLITS):
        found = decode(spec.dataset_directory, split)
        numbers_of_rows = range(index, len(table), len(SPLITS))
        assert len(found) == len(numbers_of_rows)
        for row, number in zip(found, numbers_of_rows, strict=True):
            assert row["label"] == number % 2
            for name, (lists, _) in per_field.items():
                expected = [token if token in known[name] else None for token in lists[number]]
                assert row[name] == (expected if name == "tags" else expected[0])
            text = columns[4][number]
            assert row["hashed"] == (2 + hashes[number] % (HASH_ROWS - 2) if text else 1)
