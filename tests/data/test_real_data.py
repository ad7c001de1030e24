"""Smoke tests on public logs; skipped where the data are not at hand."""

import lzma
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from pipeline.data.loading.loader import Loader
from pipeline.data.preparation.build import build

DATA = Path(__file__).parents[2].parent / "shared/data"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no public logs in ../shared/data")
pytestmark = needs_data


def test_the_head_of_criteo_as_it_is_published(make_spec, tmp_path: Path) -> None:
    source = DATA / "criteo_kaggle_head/raw/train_head.txt.xz"
    manifest = build(make_spec(format="criteo", source=str(source)), {})
    assert manifest.rows_read == 10_000
    assert manifest.rows_skipped == {}
    assert sum(split.positives["label"] for split in manifest.splits.values()) == 2_182
    lines = lzma.decompress(source.read_bytes()).decode().splitlines()
    columns = [line.split("\t") for line in lines]
    for index, field in enumerate(manifest.fields, start=1):
        if field.kind == "categorical":
            assert field.cardinality == 1 + len({row[index] for row in columns})
    table = pq.read_table(tmp_path / "dataset/vocabulary/I1.parquet")
    missing = sum(row[1] == "" for row in columns)
    assert dict(zip(table["token"].to_pylist(), table["count"].to_pylist(), strict=True))[""] == (
        missing
    )


AVAZU = DATA / "avazu_head/raw/train_head.csv.xz"


def test_the_head_of_avazu_as_it_is_published(make_spec) -> None:
    manifest = build(make_spec(format="avazu", source=str(AVAZU)), {})
    assert manifest.rows_read == 9_999
    assert manifest.rows_skipped == {}
    clicks = sum(split.positives["click"] for split in manifest.splits.values())
    assert clicks == round(0.1706 * 9_999)
    # The data's README counts these values; no value is missing.
    counts = "1 6 4 381 317 14 313 31 14 1075 7302 1168 4 4 271 4 5 111 4 32 108 29"
    assert [field.cardinality - 1 for field in manifest.fields] == [int(n) for n in counts.split()]
    assert manifest.fields[0].name == "hour"


def test_avazus_hour_in_three(make_spec, tmp_path: Path) -> None:
    manifest = build(make_spec(format="avazu_calendar", source=str(AVAZU)), {})
    assert len(manifest.fields) == 24
    # All rows are of midnight on 21 October 2014, a Tuesday.
    for name, token in (("hour", "0"), ("weekday", "1"), ("weekend", "0")):
        table = pq.read_table(tmp_path / f"dataset/vocabulary/{name}.parquet")
        assert table["token"].to_pylist() == [None, token]


def test_movielens_with_given_splits_and_multi_valued_genres(make_spec, tmp_path: Path) -> None:
    names = ("user_id", "item_id", "gender", "age", "occupation", "zip_code", "release_year")
    fields = [*({"name": name} for name in names), {"name": "genres", "kind": "multi_valued"}]
    source = DATA / "ml1m_autoint"
    spec = make_spec(
        format="parquet",
        source=str(source),
        fields=fields,
        splits={name: f"{name}.parquet" for name in ("train", "valid", "test")},
    )
    manifest = build(spec, {})
    rows = {name: split.rows for name, split in manifest.splits.items()}
    assert rows == {"train": 591_209, "valid": 73_901, "test": 73_902}
    raw = pq.read_table(source / "test.parquet", columns=["genres", "item_id"])
    genres = pq.read_table(tmp_path / "dataset/vocabulary/genres.parquet")["token"].to_pylist()
    assert len(genres) == 1 + 18
    ids = pq.read_table(tmp_path / "dataset/test/part-00000.parquet")["genres"].to_pylist()
    decoded = ["|".join(genres[i] for i in row) for row in ids]
    assert decoded == raw["genres"].to_pylist()
    loader = Loader(
        tmp_path / "dataset",
        manifest,
        "test",
        4_096,
        0,
        1,
        10**6,
        0,
        manifest.labels,
        torch.device("cpu"),
    )
    seen = Counter(
        i for batch in loader.epoch(0) for i in batch.features["genres"].values().tolist()
    )
    assert seen == Counter(i for row in ids for i in row)


def test_frappe_with_given_splits(make_spec) -> None:
    names = ("user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather")
    fields = [{"name": name} for name in (*names, "country", "city")]
    spec = make_spec(
        format="parquet",
        source=str(DATA / "frappe_x1_recon"),
        fields=fields,
        splits={
            "train": "train_reconstructed.parquet",
            "valid": "valid.parquet",
            "test": "test.parquet",
        },
    )
    manifest = build(spec, {})
    # The data's README counts these values over all splits.
    values = [957, 4_082, 7, 7, 2, 3, 2, 9, 80, 233]
    assert [field.cardinality - 1 for field in manifest.fields] == values
    assert [split.rows for split in manifest.splits.values()] == [202_027, 57_722, 28_860]
