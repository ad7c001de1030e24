"""Whole preparations, against a row-by-row reference in plain Python."""

import csv
import json
import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import files_of

from pipeline.console import InputError
from pipeline.data.manifest import SPLITS, read_manifest
from pipeline.data.preparation.build import build
from pipeline.data.preparation.splits import split_of_rows
from pipeline.data.preparation.unchanged import unchanged
from pipeline.spec import Spec

ROWS = 3_000
FIELDS = [
    {"name": "color"},
    {"name": "size", "kind": "numeric"},
    {"name": "price", "kind": "numeric", "binning": "quantile", "bins": 7},
    {"name": "tags", "kind": "multi_valued", "separator": ";", "max_length": 3},
]
PREPARE = {"part_rows": 500, "minimum_count": 3}

Row = dict[str, str]


def log_rows() -> list[Row]:
    rng = random.Random(0)

    def row() -> Row:
        tags = [rng.choice("abcdefg") * rng.randint(1, 3) for _ in range(rng.randint(0, 5))]
        return {
            "label": str(rng.randint(0, 1)),
            "unused": "x, y",
            "color": rng.choice(["", "red", 'say "hi"', "a,b", "é", f"c{rng.randint(0, 900)}"]),
            "size": rng.choice(["", str(rng.randint(-3, 5_000))]),
            "price": rng.choice(["", f"{rng.random():.3f}"]),
            "tags": ";".join(tags),
        }

    return [row() for _ in range(ROWS)]


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def spec(make_spec, tmp_path: Path) -> Spec:
    write_csv(tmp_path / "log.csv", log_rows())
    source = str(tmp_path / "log.csv")
    return make_spec(format="csv", source=source, fields=FIELDS, prepare=PREPARE)


def changed(spec: Spec, **values: object) -> Spec:
    """The spec with other values of ``prepare`` or ``data``."""
    dumped = spec.model_dump(mode="json")
    for name, value in values.items():
        dumped["prepare" if name in dumped["prepare"] else "data"][name] = value
    return Spec.model_validate(dumped)


def decoded(directory: Path, split: str) -> list[dict[str, object]]:
    """The rows of a split, ids replaced by the vocabularies' tokens."""
    manifest = read_manifest(directory)
    tokens = {
        field.name: pq.read_table(directory / f"vocabulary/{field.name}.parquet")[
            "token"
        ].to_pylist()
        for field in manifest.fields
    }
    rows = []
    for part in manifest.splits[split].parts:
        for row in pq.read_table(directory / part.file).to_pylist():
            for name, known in tokens.items():
                ids = row[name]
                row[name] = [known[i] for i in ids] if isinstance(ids, list) else known[ids]
            rows.append(row)
    return rows


def log_square(text: str) -> str:
    if not text:
        return ""
    value = int(text)
    return str(max(math.floor(math.log(value) ** 2), 1)) if value > 2 else str(value - 2)


def expected_rows(rows: list[Row], split: int) -> list[dict[str, object]]:
    """What a split should hold, without the field of quantiles."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["color"]] = counts.get(row["color"], 0) + 1
    tag_lists = [[tag for tag in row["tags"].split(";") if tag][:3] or [""] for row in rows]
    tags = [tag for row in tag_lists for tag in row]
    sizes = [log_square(row["size"]) for row in rows]
    splits = split_of_rows(0, len(rows), (0.8, 0.1, 0.1), 0)
    return [
        {
            "label": float(row["label"]),
            "color": row["color"] if counts[row["color"]] >= 3 or not row["color"] else None,
            "size": size if sizes.count(size) >= 3 or not size else None,
            "tags": [tag if tags.count(tag) >= 3 or not tag else None for tag in row_tags],
        }
        for row, size, row_tags, number in zip(rows, sizes, tag_lists, splits, strict=True)
        if number == split
    ]


def test_parts_hold_the_tokens_of_every_row_in_the_sources_order(spec: Spec) -> None:
    build(spec, {})
    for index, name in enumerate(SPLITS):
        found = decoded(spec.dataset_directory, name)
        for row in found:
            price = str(row.pop("price"))
            assert price == "" or price.startswith("[")
        assert found == expected_rows(log_rows(), index)


def test_a_quantile_token_is_the_interval_that_holds_the_value(spec: Spec) -> None:
    build(spec, {})
    splits = split_of_rows(0, ROWS, (0.8, 0.1, 0.1), 0)
    prices = [row["price"] for row, split in zip(log_rows(), splits, strict=True) if split == 2]
    for price, row in zip(prices, decoded(spec.dataset_directory, "test"), strict=True):
        token = str(row["price"])
        if price:
            low, high = (float(bound) for bound in token[1:-1].split(", "))
            assert low <= float(price) < high
        else:
            assert token == ""


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("block_bytes", [1_000, 50_000])
def test_the_bytes_do_not_depend_on_threads_or_blocks(
    spec: Spec, tmp_path: Path, threads: int, block_bytes: int
) -> None:
    build(spec, {})
    expected = files_of(spec.dataset_directory)
    other = changed(spec, threads=threads, directory=str(tmp_path / "other"))
    build(other, {}, block_bytes)
    assert files_of(other.dataset_directory) == expected


def test_parts_hold_part_rows_rows_and_the_last_one_the_rest(spec: Spec) -> None:
    manifest = build(spec, {})
    for split in manifest.splits.values():
        sizes = [part.rows for part in split.parts]
        assert sizes[:-1] == [500] * (len(sizes) - 1)
        assert sum(sizes) == split.rows
    assert sum(split.rows for split in manifest.splits.values()) == manifest.rows_read == ROWS


def test_parquet_and_csv_make_the_same_parts(make_spec, spec: Spec, tmp_path: Path) -> None:
    build(spec, {})
    rows = log_rows()
    columns = {
        "label": pa.array([row["label"] == "1" for row in rows]),
        "color": pa.array([row["color"] or None for row in rows]).dictionary_encode(),
        "size": pa.array([float(row["size"]) if row["size"] else math.nan for row in rows]),
        "price": pa.array([float(row["price"]) if row["price"] else None for row in rows]),
        "tags": pa.array([row["tags"].split(";") if row["tags"] else None for row in rows]),
    }
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=700)
    other = make_spec(
        format="parquet",
        source=str(path),
        directory=str(tmp_path / "other"),
        fields=FIELDS,
        prepare=PREPARE,
    )
    build(other, {}, batch_rows=170)
    ours, theirs = files_of(spec.dataset_directory), files_of(other.dataset_directory)
    for name in ("manifest.json", "overview.json", "overview.html"):
        # They name the sources, and are alike but for that.
        ours[name] = theirs[name] = b""
    assert ours == theirs


def test_a_vocabulary_of_the_train_split_ignores_the_other_rows(spec: Spec) -> None:
    build(changed(spec, vocabulary="train", minimum_count=1), {})
    directory = spec.dataset_directory
    assert None not in {row["color"] for row in decoded(directory, "train")}
    splits = split_of_rows(0, ROWS, (0.8, 0.1, 0.1), 0)
    train = [row["color"] for row, split in zip(log_rows(), splits, strict=True) if split == 0]
    table = pq.read_table(directory / "vocabulary/color.parquet")
    assert set(table["token"].to_pylist()[1:]) == set(train)
    assert sum(table["count"].to_pylist()) == len(train)


def test_given_splits_are_kept_as_they_are(make_spec, tmp_path: Path) -> None:
    rows = log_rows()
    pieces = {"train": rows[:50], "valid": rows[50:60], "test": rows[60:80]}
    for name, piece in pieces.items():
        write_csv(tmp_path / f"{name}.csv", piece)
    spec = make_spec(
        format="csv",
        source=str(tmp_path),
        fields=[{"name": "color"}],
        splits={name: f"{name}.csv" for name in pieces},
    )
    build(spec, {}, block_bytes=300)
    for name, piece in pieces.items():
        colors = [row["color"] for row in decoded(spec.dataset_directory, name)]
        assert colors == [row["color"] for row in piece]


def test_two_fields_may_share_a_column(make_spec, tmp_path: Path) -> None:
    write_csv(tmp_path / "log.csv", log_rows())
    fields = [
        {"name": "raw", "column": "size"},
        {"name": "binned", "column": "size", "kind": "numeric"},
    ]
    build(make_spec(format="csv", source=str(tmp_path / "log.csv"), fields=fields), {})
    for row in decoded(tmp_path / "dataset", "train"):
        assert row["binned"] == log_square(str(row["raw"]))


def test_quotes_are_plain_characters_in_criteo_format(make_spec, tmp_path: Path) -> None:
    lines = ["1" + "\t" * 14 + value + "\t" * 25 for value in ('"a', 'b"', '"c"')]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n")
    source = str(tmp_path / "train.txt")
    build(make_spec(format="criteo", source=source, prepare={"ratios": [1, 1e-9, 1e-9]}), {})
    colors = [row["C1"] for row in decoded(tmp_path / "dataset", "train")]
    assert colors == ['"a', 'b"', '"c"']


def test_an_unchanged_dataset_is_left_as_it_is(spec: Spec) -> None:
    manifest = build(spec, {})
    written = spec.dataset_directory.stat().st_ctime_ns
    assert unchanged(spec) == manifest
    assert unchanged(changed(spec, threads=5)) == manifest
    assert spec.dataset_directory.stat().st_ctime_ns == written


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"minimum_count": 1}, {"vocabulary": "train"}, {"fields": FIELDS[:2]}],
)
def test_another_setting_replaces_the_dataset(spec: Spec, change: dict[str, object]) -> None:
    first = build(spec, {})
    other = changed(spec, **change)
    assert unchanged(other) is None
    assert build(other, {}) != first
    assert read_manifest(spec.dataset_directory) == unchanged(other)


def test_another_byte_in_the_source_replaces_the_dataset(spec: Spec) -> None:
    build(spec, {})
    source = Path(spec.data.source)
    content = source.read_bytes()
    source.write_bytes(content.replace(b"red", b"rod", 1))
    assert unchanged(spec) is None
    source.write_bytes(content)
    assert unchanged(spec) is not None


def test_a_dataset_with_skipped_rows_does_not_satisfy_a_spec_that_forbids_them(spec: Spec) -> None:
    with Path(spec.data.source).open("a") as file:
        file.write("bad\n")
    lenient = changed(spec, bad_rows="skip")
    assert build(lenient, {}).rows_skipped == {"wrong number of columns": 1}
    assert unchanged(lenient) is not None
    with pytest.raises(InputError, match="line 3,002: 1 columns found, 6 expected"):
        build(spec, {})
    assert unchanged(lenient) is not None


def test_the_manifest_records_the_source_and_the_oracle(spec: Spec) -> None:
    oracle = {"test": {"auc": 0.75, "logloss": 0.5}}
    manifest = build(spec, oracle)
    assert manifest == read_manifest(spec.dataset_directory)
    assert manifest.oracle == oracle
    values = json.loads((spec.dataset_directory / "manifest.json").read_text())
    assert values["sources"][0]["bytes"] == Path(spec.data.source).stat().st_size
    assert [field["kind"] for field in values["fields"]] == [
        "categorical",
        "numeric",
        "numeric",
        "multi_valued",
    ]
    assert values["fields"][3]["pooling"] == "mean"
