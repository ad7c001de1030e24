"""What a person reads when a source is not what the spec says."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

HEADER = b"label,color,size\n"
GOOD = b"1,red,3\n0,blue,\n"
ADVICE = '; correct it, or set data.bad_rows = "skip" to leave such rows out'

ROW_FAULTS = [
    pytest.param(b"1,red\n", "2 columns found, 3 expected", "wrong number of columns", id="short"),
    pytest.param(
        b"1,red,3,4\n", "4 columns found, 3 expected", "wrong number of columns", id="long"
    ),
    pytest.param(b"2,red,3\n", "the label is '2', 0 or 1 expected", "label is not 0 or 1", id="2"),
    pytest.param(b",red,3\n", "the label is '', 0 or 1 expected", "label is not 0 or 1", id="none"),
    pytest.param(b"\n", "the label is '', 0 or 1 expected", "label is not 0 or 1", id="empty line"),
    pytest.param(
        b"1,red,3x\n",
        "the numeric field 'size' has '3x', a number or nothing expected",
        "not a number in a numeric field",
        id="number",
    ),
    pytest.param(b"1,r\0d,3\n", "a NUL byte inside the line", "NUL byte inside the line", id="nul"),
    *(
        pytest.param(
            f"1,red,{number}\n".encode(),
            f"the numeric field 'size' has '{number}', a number or nothing expected",
            "not a number in a numeric field",
            id=number,
        )
        for number in ("inf", "nan", "1e999")
    ),
    pytest.param(b"1,r\xffd,3\n", "not valid UTF-8", "not valid UTF-8", id="utf-8"),
    pytest.param(
        b"1,r\rd,3\n",
        "a carriage return inside the line",
        "carriage return inside the line",
        id="cr",
    ),
    pytest.param(
        b'1,"red,3\n',
        "a quote that is not closed on its line",
        "quote that is not closed on its line",
        id="quote",
    ),
]
BLOCKS = [1, 20, 1 << 20]
TRUNCATED = {
    "gz": "Compressed file ended before the end-of-stream marker was reached",
    "bz2": "Compressed file ended before the end-of-stream marker was reached",
    "xz": "Compressed file ended before the end-of-stream marker was reached",
    "zst": "Truncated compressed stream",
}


def error_of(spec: Spec, block_bytes: int = 1 << 20) -> str:
    with pytest.raises(InputError) as caught:
        build(spec, {}, block_bytes)
    assert not any(spec.run_directory.glob("dataset*"))
    return str(caught.value)


@pytest.mark.parametrize("block_bytes", BLOCKS)
@pytest.mark.parametrize(("line", "message", "reason"), ROW_FAULTS)
def test_a_bad_row_is_named_by_its_line(
    csv_spec, line: bytes, message: str, reason: str, block_bytes: int
) -> None:
    spec = csv_spec(HEADER + GOOD + line + GOOD + line)
    expected = f"{spec.data.source}: line 4: {message}{ADVICE}"
    assert error_of(spec, block_bytes) == expected


@pytest.mark.parametrize("block_bytes", BLOCKS)
@pytest.mark.parametrize(("line", "message", "reason"), ROW_FAULTS)
def test_skipped_rows_are_counted_by_reason(
    csv_spec, line: bytes, message: str, reason: str, block_bytes: int
) -> None:
    spec = csv_spec(HEADER + line + GOOD + line + GOOD + line, bad_rows="skip")
    manifest = build(spec, {}, block_bytes)
    assert manifest.rows_skipped == {reason: 3}
    assert manifest.rows_read == 7
    assert manifest.splits["train"].rows == 4
    assert manifest.splits["train"].positives == {"label": 2}


def test_a_row_with_several_faults_is_counted_once(csv_spec) -> None:
    spec = csv_spec(HEADER + GOOD + b"7,r\xffd,x\n5,red,x\n", bad_rows="skip")
    assert build(spec, {}).rows_skipped == {"label is not 0 or 1": 1, "not valid UTF-8": 1}


def test_the_last_line_may_lack_its_newline_and_lines_may_end_in_crlf(csv_spec) -> None:
    spec = csv_spec(b"\xef\xbb\xbflabel,color,size\r\n1,red,3\r\n0,blue,4")
    assert build(spec, {}).splits["train"].rows == 2


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"label,color,size\r1,red,3\r", "new-line character seen in unquoted field"),
        (b"x" * 131_073, "field larger than field limit (131072)"),
    ],
)
def test_a_first_line_that_is_no_header_is_refused(csv_spec, content: bytes, found: str) -> None:
    spec = csv_spec(content)
    error = error_of(spec)
    assert error.startswith(f"{spec.data.source}: line 1: the header cannot be read: {found}")
    assert error.endswith("; the columns' names and a newline after them are expected")


def test_a_header_cannot_be_read_from_a_pipe(make_spec, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.csv")
    fields = [{"name": "color"}]
    spec = make_spec(format="csv", source=str(tmp_path / "log.csv"), fields=fields)
    assert error_of(spec) == (
        f"{tmp_path}/log.csv: a pipe or the like can be read only once, and its header is read "
        "before its rows; copy it to a file"
    )


def test_an_absent_column_is_named_with_the_nearest(csv_spec) -> None:
    spec = csv_spec(b"label,colour,size\n" + GOOD)
    assert error_of(spec) == f"{spec.data.source}: no column 'color'; it has colour"


def test_a_column_that_is_there_twice_is_refused(csv_spec) -> None:
    spec = csv_spec(b"label,color,size,color\n1,a,1,b\n")
    assert error_of(spec) == f"{spec.data.source}: column 'color' is there 2 times"


def test_an_empty_file_is_refused(csv_spec) -> None:
    spec = csv_spec(b"")
    assert error_of(spec) == f"{spec.data.source}: the file is empty"


def test_a_file_with_a_header_only_is_refused(csv_spec) -> None:
    spec = csv_spec(HEADER)
    expected = f"{spec.data.source}: no rows; check data.source and data.format"
    assert error_of(spec) == expected


def test_a_file_of_bad_rows_only_is_refused(csv_spec) -> None:
    spec = csv_spec(HEADER + b"3,red,3\n" * 5, bad_rows="skip")
    assert "all of the 5 rows were skipped as bad" in error_of(spec)


def test_a_missing_file_is_named(make_spec, tmp_path: Path) -> None:
    spec = make_spec(format="criteo", source=str(tmp_path / "train.txt"))
    assert error_of(spec) == f"{tmp_path / 'train.txt'}: no such file; set data.source"


def test_a_directory_needs_the_names_of_the_splits(make_spec, tmp_path: Path) -> None:
    spec = make_spec(format="criteo", source=str(tmp_path))
    assert "a directory; data.source names files, such as" in error_of(spec)


def test_a_header_in_criteo_format_is_refused(make_spec, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\t".join(["label", *(f"c{i}" for i in range(39))]) + "\n" + "1" + "\t" * 39)
    spec = make_spec(format="criteo", source=str(path))
    assert error_of(spec) == f"{path}: line 1: a header, the format has none{ADVICE}"


def test_criteo_rows_are_counted_from_line_1(make_spec, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(("1" + "\t" * 39 + "\n") * 2 + "1\t2\n")
    spec = make_spec(format="criteo", source=str(path))
    assert error_of(spec) == f"{path}: line 3: 2 columns found, 40 expected{ADVICE}"


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data))


LONG = b"".join(b"%d,%d,%d\n" % (n % 2, n * n % 97, n * 7_919) for n in range(3_000))


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)],
)
@pytest.mark.parametrize("cut", [3, 4_000])
@pytest.mark.parametrize("bad_rows", ["fail", "skip"])
def test_a_truncated_compressed_file_is_refused(
    make_spec, tmp_path: Path, suffix: str, compress, cut: int, bad_rows: str
) -> None:
    path = tmp_path / f"log.csv.{suffix}"
    path.write_bytes(compress(HEADER + LONG)[:-cut])
    fields = [{"name": "color"}]
    spec = make_spec(format="csv", source=str(path), fields=fields, bad_rows=bad_rows)
    assert error_of(spec, 1_000) == f"{path}: cannot be read to its end: {TRUNCATED[suffix]}"


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)],
)
def test_a_compressed_file_of_nothing_is_empty(
    make_spec, tmp_path: Path, suffix: str, compress
) -> None:
    path = tmp_path / f"train.txt.{suffix}"
    path.write_bytes(compress(b""))
    assert error_of(make_spec(format="criteo", source=str(path))) == f"{path}: the file is empty"


def test_lines_of_criteo_may_end_in_crlf(make_spec, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(("1" + "\t" * 39 + "ab\r\n").encode() * 20)
    manifest = build(make_spec(format="criteo", source=str(path)), {})
    assert manifest.rows_read == 20
    tokens = pq.read_table(tmp_path / "dataset/vocabulary/C26.parquet")["token"].to_pylist()
    assert tokens == [None, "ab"]


def test_a_header_in_a_later_file_is_named(make_spec, tmp_path: Path) -> None:
    paths = [tmp_path / "day_0", tmp_path / "day_1"]
    rows = ("1" + "\t" * 39 + "\n") * 3
    paths[0].write_text(rows)
    paths[1].write_text("\t".join(["label", *(f"c{i}" for i in range(39))]) + "\n" + rows)
    spec = make_spec(format="criteo", source=f"{tmp_path}/day_*")
    assert error_of(spec) == f"{paths[1]}: line 1: a header, the format has none{ADVICE}"


def test_an_integer_beyond_int64_is_a_number(csv_spec) -> None:
    spec = csv_spec(HEADER + b"1,red,99999999999999999999\n0,red,9223372036854775807\n")
    build(spec, {})
    table = pq.read_table(spec.dataset_directory / "vocabulary/size.parquet")
    # floor(ln(1e20)^2) and floor(ln(2^63)^2).
    assert table["token"].to_pylist() == [None, "1906", "2120"]


@pytest.mark.parametrize("cut", [10, 200])
def test_a_truncated_parquet_file_is_refused(make_spec, tmp_path: Path, cut: int) -> None:
    spec = parquet_spec(make_spec, tmp_path, pa.table({"label": [0, 1], "color": ["a", "b"]}))
    path = Path(spec.data.locations[0])
    path.write_bytes(path.read_bytes()[:-cut])
    assert error_of(spec).startswith(f"{path}: not a Parquet file that can be read: ")


def test_a_parquet_file_without_rows_is_refused(make_spec, tmp_path: Path) -> None:
    table = pa.table({"label": pa.array([], pa.int8()), "color": pa.array([], pa.string())})
    spec = parquet_spec(make_spec, tmp_path, table)
    expected = f"{spec.data.source}: no rows; check data.source and data.format"
    assert error_of(spec) == expected


def test_an_infinite_number_in_parquet_is_named(make_spec, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"label": [0, 1], "size": [1.5, float("inf")]}), path)
    fields = [{"name": "size", "kind": "numeric"}]
    spec = make_spec(format="parquet", source=str(path), fields=fields)
    assert error_of(spec) == (
        f"{path}: row 2: the numeric field 'size' has 'inf', a number or nothing expected{ADVICE}"
    )


def parquet_spec(make_spec, tmp_path: Path, table: pa.Table) -> Spec:
    path = tmp_path / "log.parquet"
    pq.write_table(table, path)
    return make_spec(format="parquet", source=str(path), fields=[{"name": "color"}])


def test_a_bad_label_in_parquet_is_named_by_its_row(make_spec, tmp_path: Path) -> None:
    table = pa.table({"label": [1, 0, None], "color": ["a", "b", "c"]})
    spec = parquet_spec(make_spec, tmp_path, table)
    expected = f"{spec.data.source}: row 3: the label is '', 0 or 1 expected{ADVICE}"
    assert error_of(spec) == expected


def test_a_list_column_needs_a_multi_valued_field(make_spec, tmp_path: Path) -> None:
    spec = parquet_spec(make_spec, tmp_path, pa.table({"label": [1], "color": [["a", "b"]]}))
    assert error_of(spec) == (
        f"{spec.data.source}: column 'color' holds lists; field 'color' needs "
        'kind = "multi_valued"'
    )


def test_a_file_that_is_not_parquet_is_refused(make_spec, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_text("label,color\n")
    spec = make_spec(format="parquet", source=str(path), fields=[{"name": "color"}])
    assert error_of(spec).startswith(f"{path}: not a Parquet file that can be read: ")


def test_a_field_may_not_be_read_from_the_label(csv_spec) -> None:
    spec = csv_spec(HEADER + GOOD, label="color")
    assert error_of(spec) == ("data.fields: field 'color' is read from the label's column 'color'")
