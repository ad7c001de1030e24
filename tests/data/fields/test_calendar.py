from datetime import date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.calendar import are_times, calendar_tokens
from pipeline.spec_data import FieldSpec


def tokens(transform: str, values: list[str], time_format: str = "%y%m%d%H") -> list[str]:
    field = FieldSpec(name="f", transform=transform, time_format=time_format)
    return calendar_tokens(field, pa.array(values, pa.string())).to_pylist()


@given(st.dates(date(2000, 1, 1), date(2060, 12, 31)), st.integers(0, 23))
def test_avazus_hours_have_the_calendars_tokens(day: date, hour: int) -> None:
    value = [f"{day:%y%m%d}{hour:02}"]
    assert tokens("hour_of_day", value) == [str(hour)]
    assert tokens("weekday", value) == [str(day.isoweekday() - 1)]
    assert tokens("weekend", value) == [str(int(day.isoweekday() >= 6))]


def test_a_missing_time_is_a_missing_token() -> None:
    assert tokens("weekday", ["", "14102500"]) == ["", "5"]


def test_times_may_be_written_in_another_way() -> None:
    assert tokens("hour_of_day", ["2014-10-21 17:05"], "%Y-%m-%d %H:%M") == ["17"]


@pytest.mark.parametrize("text", ["141021", "14102124", "14133100", "2014-10-21", "x", "1410 2100"])
def test_other_texts_are_no_times(text: str) -> None:
    field = FieldSpec(name="f", transform="weekday")
    assert are_times(field, pa.array([text, "", "14102100"])).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2024-01-06 17:00:00.000", "%Y-%m-%d %H:%M:%S.%f"),
        ("2024-01-06 17:00:00.000000999", "%Y-%m-%d %H:%M:%S.%f"),
        ("2024-01-06 17:00:00.123456789Z", "%Y-%m-%d %H:%M:%S.%f%z"),
        ("2024-01-06T17:00:00+00:00", "%Y-%m-%dT%H:%M:%S%z"),
        ("2024-01-06T17:00:00Z", "%Y-%m-%dT%H:%M:%S%z"),
        ("20240106T170000Z", "%Y%m%dT%H%M%S%z"),
        ("6/1/2024 17:00", "%d/%m/%Y %H:%M"),
        ("06 jan 2024 5:00 pm", "%d %b %Y %I:%M %p"),
        ("20240106 17:00:00.000", "%Y%m%d %H:%M:%S.%f"),
    ],
)
def test_a_time_may_be_spelt_in_every_way_that_can_be_read_in_one_way(
    text: str, time_format: str
) -> None:
    assert tokens("hour_of_day", [text], time_format) == ["17"]
    assert tokens("weekday", [text], time_format) == ["5"]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2024016 17:00", "%Y%m%d %H:%M"),
        ("17:00 2024016", "%H:%M %Y%m%d"),
        ("2024-01-06 170", "%Y-%m-%d %H%M"),
        ("2024-01-06 17:00:00.1234567", "%Y-%m-%d %H:%M:%S.%f"),
    ],
)
def test_numbers_that_touch_have_all_their_digits(text: str, time_format: str) -> None:
    field = FieldSpec(name="f", transform="weekday", time_format=time_format)
    assert are_times(field, pa.array([text])).tolist() == [False]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_of_parquet_is_a_time(unit: str) -> None:
    column = pa.array([datetime(2024, 1, 6, 17)], pa.timestamp(unit)).cast(pa.string())
    time_format = "%Y-%m-%d %H:%M:%S" if unit == "s" else "%Y-%m-%d %H:%M:%S.%f"
    assert tokens("hour_of_day", column.to_pylist(), time_format) == ["17"]
