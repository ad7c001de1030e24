"""The tokens of Parquet's numbers and booleans do not depend on the type of their column."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.preparation.build import build
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.parquet_source import LIST_SEPARATOR, ParquetSource
from pipeline.spec_data import FieldSpec


def texts(folder: Path, column: pa.Array, kind: str = "categorical") -> list[str]:
    path = folder / "column.parquet"
    pq.write_table(pa.table({"label": [0] * len(column), "f": column}), path)
    fields = [FieldSpec(name="f", kind=kind)]
    source = ParquetSource(SourceFile(str(path)), fields, ["label"], "fail", 1 << 16, None)
    (block,) = source.blocks()
    return source.parse(block).columns["f"].to_pylist()


def item_texts(folder: Path, items: pa.Array) -> list[str]:
    lists = pa.ListArray.from_arrays(pa.array([0, len(items)], pa.int32()), items)
    (joined,) = texts(folder, lists, "multi_valued")
    return joined.split(LIST_SEPARATOR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet")


@given(number=st.integers(1 - 2**53, 2**53 - 1))
def test_a_whole_number_is_the_same_token_as_an_integer_and_as_a_float(
    folder: Path, number: int
) -> None:
    column = pa.array([float(number)], pa.float64())
    assert texts(folder, column) == item_texts(folder, column) == [str(number)]


@pytest.mark.parametrize("of_column", [texts, item_texts], ids=["plain", "items"])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([12345678901.0, None, float("nan")]), ["12345678901", "", ""]),
        (pa.array([16777216.0, 2.0**40], pa.float32()), ["16777216", "1099511627776"]),
        (pa.array([np.float16(1.5), np.float16(2048), None]), ["1.5", "2048", ""]),
        (pa.array([0.0, -0.0]), ["0", "0"]),
        (pa.array([0.1, -2.5, 2.0**53]), ["0.1", "-2.5", "9.007199254740992e+15"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([True, False, None]), ["1", "0", ""]),
        (pa.array([2.0, float("nan"), 2.0]).dictionary_encode(), ["2", "", "2"]),
    ],
)
def test_numbers_and_booleans_as_texts(
    folder: Path, of_column, column: pa.Array, expected: list[str]
) -> None:
    assert of_column(folder, column) == expected


def test_days_with_and_without_a_missing_id_share_a_vocabulary(make_spec, tmp_path: Path) -> None:
    days = {
        "day_1": pa.array([12345678901, 345], pa.int64()),
        "day_2": pa.array([12345678901.0, None]),
    }
    for day, column in days.items():
        pq.write_table(pa.table({"label": [0, 1], "user": column}), tmp_path / f"{day}.parquet")
    source = str(tmp_path / "day_*.parquet")
    spec = make_spec(
        prepare={"ratios": [1, 1e-9, 1e-9], "minimum_count": 1},
        format="parquet",
        source=source,
        fields=[{"name": "user"}],
    )
    build(spec, {})
    table = pq.read_table(spec.dataset_directory / "vocabulary/user.parquet")
    assert dict(zip(table["token"].to_pylist(), table["count"].to_pylist(), strict=True)) == {
        None: 0,
        "12345678901": 2,
        "": 1,
        "345": 1,
    }
