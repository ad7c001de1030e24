from datetime import date

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
