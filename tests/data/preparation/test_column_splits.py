"""Splits by time and by a column, as datasets."""

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.console import InputError
from pipeline.data.manifest import SPLITS
from pipeline.data.preparation import build as build_module
from pipeline.data.preparation.build import build
from pipeline.data.sources import opening, split_rules
from pipeline.data.sources.split_rules import times_of
from pipeline.data.sources.time_split import cut_by_time
from pipeline.spec import Spec

ADVICE = '; correct it, or set data.bad_rows = "skip" to leave such rows out'


def rows_by_split(spec: Spec) -> list[list[str]]:
    """The tokens of the field ``f`` of every split, in order."""
    folder = spec.dataset_directory
    tokens = pq.read_table(folder / "vocabulary/f.parquet")["token"].to_pylist()
    return [
        [
            tokens[i]
            for part in sorted((folder / split).glob("*.parquet"))
            for i in pq.read_table(part)["f"].to_pylist()
        ]
        for split in SPLITS
    ]


def split_spec(make_spec, tmp_path: Path, times: list[str], split: dict, **more: object) -> Spec:
    """A log in which the field ``f`` is the row's number."""
    path = tmp_path / "log.csv"
    lines = [f"{number % 2},{number},{time}" for number, time in enumerate(times)]
    path.write_text("\n".join(["label,f,t", *lines]) + "\n")
    settings = {"format": "csv", "source": str(path), "fields": [{"name": "f"}], "split": split}
    return make_spec(**{**settings, **more})


def expected_by_time(times: list[float], shares: tuple[float, float, float]) -> list[list[str]]:
    """Row by row: a time belongs where its first row falls in the order of time."""
    ordered = sorted(times)
    ends = [len(times) * shares[0], len(times) * (shares[0] + shares[1])]
    splits = [sum(ordered.index(time) >= end for end in ends) for time in times]
    return [[str(row) for row, found in enumerate(splits) if found == s] for s in range(3)]


BY_TIME = {"by": "time", "column": "t", "shares": [0.5, 0.25, 0.25]}


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_the_oldest_rows_train_and_ties_stay_together(
    make_spec, tmp_path: Path, block_bytes: int
) -> None:
    rng = random.Random(0)
    times = [rng.randint(-20, 20) for _ in range(200)]
    spec = split_spec(make_spec, tmp_path, list(map(str, times)), BY_TIME)
    build(spec, {}, block_bytes)
    expected = expected_by_time(list(map(float, times)), (0.5, 0.25, 0.25))
    assert rows_by_split(spec) == expected


def test_numbers_are_compared_as_numbers(make_spec, tmp_path: Path) -> None:
    spec = split_spec(make_spec, tmp_path, ["10", "9", "100", "9.0"], BY_TIME)
    build(spec, {})
    assert rows_by_split(spec) == [["1", "3"], ["0"], ["2"]]


@pytest.mark.parametrize("form", ["iso", "timestamp"])
def test_dates_are_times(make_spec, tmp_path: Path, form: str) -> None:
    days = [datetime(2014, 10, 21) + timedelta(hours=7 * k) for k in (5, 3, 1, 0, 2, 4, 6, 7)]
    expected = [["2", "3", "4", "1"], ["0", "5"], ["6", "7"]]
    if form == "iso":
        spec = split_spec(make_spec, tmp_path, [day.isoformat() for day in days], BY_TIME)
    else:
        path = tmp_path / "log.parquet"
        table = {"label": [0, 1] * 4, "f": range(8), "t": pa.array(days, pa.timestamp("ns", "UTC"))}
        pq.write_table(pa.table(table), path)
        spec = split_spec(make_spec, tmp_path, [], BY_TIME, format="parquet", source=str(path))
    build(spec, {})
    assert [sorted(rows) for rows in rows_by_split(spec)] == [sorted(rows) for rows in expected]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_dates_microseconds_are_exact(time: datetime) -> None:
    found = times_of(pa.array([time.isoformat(), "", "soon"]))
    exact = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert found.times[0] == exact
    assert found.are_dates.tolist() == [True, False, False]


def microseconds(text: str) -> float:
    """As Python reads a date."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return float((aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


ZONES = ["", "Z", "+0200", "-05:30", "+24:00", "-00"]
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f789", "%Y-%j"]


@settings(max_examples=50)
@given(
    times=st.lists(st.datetimes(datetime(1001, 1, 1)), min_size=1, max_size=3),
    time_format=st.sampled_from([*FORMATS, "%Y-%m-%d %H:%M:%S.%f"]),
    zone=st.sampled_from(ZONES),
    other=st.sampled_from(["", "", "soon", "2024-02-30", "2014-10-21T10", "2024-W01-1"]),
)
def test_dates_are_those_that_python_reads(
    times: list[datetime], time_format: str, zone: str, other: str
) -> None:
    texts = [time.strftime(time_format) + zone for time in times] + [other]
    found = times_of(pa.array(texts)).times
    assert np.array_equal(found, list(map(microseconds, texts)), equal_nan=True)


@pytest.mark.parametrize("kind", ["s", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_arrow_reads_the_dates_that_it_writes(
    kind: str, zone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pa.array([0, -1, 1_700_000_000]).cast(pa.timestamp(kind, zone)).cast(pa.string())
    texts = pa.concat_arrays([texts, pa.array([""])])
    expected = list(map(microseconds, texts.to_pylist()))
    monkeypatch.setattr(split_rules, "_microseconds", lambda _: pytest.fail("read by Python"))
    assert np.array_equal(times_of(texts).times, expected, equal_nan=True)


def test_the_vocabulary_of_the_train_split_is_learnt_on_the_oldest_rows(
    make_spec, tmp_path: Path
) -> None:
    prepare = {"vocabulary": "train"}
    spec = split_spec(make_spec, tmp_path, list("43210123"), BY_TIME, prepare=prepare)
    build(spec, {})
    train, valid, test = rows_by_split(spec)
    assert train == ["2", "3", "4", "5", "6"]
    assert set(valid + test) == {None}


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["1"] * 8, "data.split: column 't' has 1 distinct times, which cannot be cut into shares"),
        (["1", "2"] * 4, "data.split: column 't' has 2 distinct times, which cannot be cut"),
        (["1", "2", "2014-10-21"], "data.split: column 't' holds both numbers and dates; write"),
    ],
)
def test_times_that_cannot_be_cut(
    make_spec, tmp_path: Path, times: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        build(split_spec(make_spec, tmp_path, times, BY_TIME), {})
    assert str(caught.value).startswith(message)


def test_a_log_that_changes_once_its_times_were_scanned_is_refused(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = split_spec(make_spec, tmp_path, list("12345678"), BY_TIME)

    def cut_and_rotate(*given: object) -> object:
        rule = cut_by_time(*given)
        with (tmp_path / "log.csv").open("a") as log:
            log.write("1,8,9\n")
        return rule

    monkeypatch.setattr(opening, "cut_by_time", cut_and_rotate)
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value) == ("data.source: a file changed while it was read; prepare it again")
    assert not spec.dataset_directory.exists()


def test_times_cannot_be_cut_from_a_pipe(make_spec, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.txt")
    split = {"by": "time", "column": "I1"}
    spec = make_spec(format="criteo", source=str(tmp_path / "train.txt"), split=split)
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value) == (
        f"{tmp_path}/train.txt: a pipe or the like can be read only once, and its column of times "
        "is read before its rows; copy it to a file"
    )


@pytest.mark.parametrize("time", ["2024-01-01 00:00:00 UTC", "01/01/2024", ""])
@pytest.mark.parametrize("bad_rows", ["fail", "skip"])
def test_a_log_without_a_time_that_can_be_read_names_its_first(
    make_spec, tmp_path: Path, time: str, bad_rows: str
) -> None:
    with pytest.raises(InputError) as caught:
        build(split_spec(make_spec, tmp_path, [time] * 8, BY_TIME, bad_rows=bad_rows), {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: no row has a time that can be read: the time column 't' has "
        f"{time!r}, a number or an ISO 8601 time expected"
    )


@pytest.mark.parametrize("time", ["", "soon", "nan"])
def test_a_time_that_cannot_be_read(make_spec, tmp_path: Path, time: str) -> None:
    times = ["1", "2", time, "3", "4"]
    with pytest.raises(InputError) as caught:
        build(split_spec(make_spec, tmp_path, times, BY_TIME), {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: line 4: the time column 't' has {time!r}, a number or an ISO 8601 "
        f"time expected{ADVICE}"
    )
    spec = split_spec(make_spec, tmp_path, times, BY_TIME, bad_rows="skip")
    assert build(spec, {}).rows_skipped == {"time that cannot be read": 1}
    assert rows_by_split(spec) == [["0", "1"], ["3"], ["4"]]


def test_a_columns_values_are_splits(make_spec, tmp_path: Path) -> None:
    names = ["test", "train", "valid", "train"]
    spec = split_spec(make_spec, tmp_path, names, {"by": "column", "column": "t"})
    build(spec, {}, 20)
    assert rows_by_split(spec) == [["1", "3"], ["2"], ["0"]]


def test_a_columns_values_may_be_mapped(make_spec, tmp_path: Path) -> None:
    split = {"by": "column", "column": "t", "train": ["1", "2"], "valid": ["3"], "test": ["4"]}
    times = ["4", "3", "2", "1", "5"]
    with pytest.raises(InputError) as caught:
        build(split_spec(make_spec, tmp_path, times, split), {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: line 6: the split column 't' has '5', one of '1', '2', '3', '4' "
        f"expected{ADVICE}"
    )
    spec = split_spec(make_spec, tmp_path, times, split, bad_rows="skip")
    assert build(spec, {}).rows_skipped == {"value that no split has": 1}
    assert rows_by_split(spec) == [["2", "3"], ["1"], ["0"]]


def test_the_bytes_do_not_depend_on_threads_or_blocks(make_spec, tmp_path: Path) -> None:
    times = [str(row * row % 83) for row in range(500)]
    manifests = []
    for threads, block_bytes in ((1, 30), (7, 900)):
        prepare = {"threads": threads, "vocabulary": "train"}
        spec = split_spec(make_spec, tmp_path, times, BY_TIME, prepare=prepare)
        manifests.append(build(spec, {}, block_bytes))
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("vocabulary", ["all", "train"])
def test_a_log_without_a_row_to_train_on_is_refused_before_anything_is_learnt(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: str
) -> None:
    by_column = {"by": "column", "column": "t"}
    prepare = {"vocabulary": vocabulary}
    spec = split_spec(make_spec, tmp_path, ["valid", "test"], by_column, prepare=prepare)

    def learn(*_: object) -> None:
        pytest.fail("not reached")

    monkeypatch.setattr(build_module, "learn_encoding", learn)
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: no row is in the train split; give more rows or another split"
    )
