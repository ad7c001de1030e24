"""Texts of Parquet columns that are not UTF-8: Arrow reads them as they are."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

BAD = b"\xff\xfe"
NAMES = [b"train"] * 4 + [BAD] + [b"valid", b"test", "é".encode()]


def as_texts(values: list[bytes]) -> pa.Array:
    return pa.array(values, pa.binary()).cast(pa.string(), safe=False)


def as_lists(values: list[bytes]) -> pa.Array:
    offsets = pa.array(range(len(values) + 1), pa.int32())
    return pa.ListArray.from_arrays(offsets, as_texts(values))


COLUMNS = [
    pytest.param(as_texts, id="texts"),
    pytest.param(lambda values: pa.array(values, pa.binary()), id="binary"),
    pytest.param(lambda values: as_texts(values).dictionary_encode(), id="dictionary"),
    pytest.param(as_lists, id="lists"),
]


def parquet_spec(make_spec, tmp_path: Path, column: pa.Array, **data: Any) -> Spec:
    path = tmp_path / "log.parquet"
    rows = len(column)
    pq.write_table(pa.table({"label": [0, 1] * (rows // 2), "f": column}), path)
    fields = [{"name": "f", "kind": "multi_valued"}]
    settings = {"format": "parquet", "source": str(path), "fields": fields, **data}
    prepare = {} if "split" in data else {"ratios": [1, 1e-9, 1e-9]}
    return make_spec(prepare=prepare, **settings)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_text_that_is_not_utf8_is_named_by_its_row(make_spec, tmp_path: Path, column) -> None:
    spec = parquet_spec(make_spec, tmp_path, column(NAMES))
    with pytest.raises(InputError) as caught:
        build(spec, {}, batch_rows=3)
    assert str(caught.value) == (
        f"{tmp_path}/log.parquet: row 5: the column 'f' is not valid UTF-8; correct it, or set "
        'data.bad_rows = "skip" to leave such rows out'
    )


@pytest.mark.parametrize("column", COLUMNS)
def test_rows_that_are_not_utf8_may_be_skipped(make_spec, tmp_path: Path, column) -> None:
    spec = parquet_spec(make_spec, tmp_path, column(NAMES), bad_rows="skip")
    manifest = build(spec, {})
    assert manifest.rows_skipped == {"not valid UTF-8": 1}
    tokens = pq.read_table(spec.dataset_directory / "vocabulary/f.parquet")["token"].to_pylist()
    assert tokens == [None, "train", "test", "valid", "é"]


def test_a_split_column_that_is_not_utf8(make_spec, tmp_path: Path) -> None:
    split = {"by": "column", "column": "f"}
    column = as_texts([*NAMES[:-1], b"test"])
    spec = parquet_spec(make_spec, tmp_path, column, split=split, bad_rows="skip")
    manifest = build(spec, {})
    assert manifest.rows_skipped == {"not valid UTF-8": 1}
    assert [split.rows for split in manifest.splits.values()] == [4, 1, 2]
