import re
from datetime import UTC, date, datetime
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.fields import calendar
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


# Formats that Arrow reads: numbers of all their digits, in ASCII, with these between them.
PLAIN = [
    "%y%m%d%H",
    "%Y%m%d%H%M%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S,%f%z",
    "%Y-%m-%d %H:%M:%S.%fZ",
    "%d.%m.%y",
    "%H:%M %d/%m/%Y%z",
]
IN_PYTHON = ["%d %b %Y %I:%M %p", "%Y %j %H", "%H:%M", "%Y-%m-%d %H%M%S%f"]


@st.composite
def written(draw: st.DrawFn, time_format: str) -> str:
    """A time, in which up to two characters are other ones."""
    text = draw(st.datetimes(timezones=st.just(UTC))).strftime(time_format)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        other = draw(st.sampled_from(["", *"0123456789 :-Z+.\n٣"]))
        text = text[:place] + other + text[place + draw(st.integers(0, 1)) :]
    return text


def read_by_python(text: str, time_format: str) -> datetime | None:
    """Nine digits of a second are cut to six, and what touches has all its digits."""
    widths = {"%Y": r"\d{4}", "%f": r"\d{6}"}
    pieces = re.split(r"((?:%[YymdHMSf]){2,})", time_format)
    for at in range(1, len(pieces), 2):
        ones = re.findall("%.", pieces[at])
        pieces[at] = "".join(widths.get(one, r"\d{2}") for one in ones)
    for at in range(0, len(pieces), 2):
        spaced = re.sub(r"\s+", r"\\s+", pieces[at].replace(".", "[.]"))
        pieces[at] = re.sub("%.", ".+", spaced)
    try:
        found = datetime.strptime(re.sub(r"([.,]\d{6})\d{3}(?!\d)", r"\1", text), time_format)
    except ValueError:
        return None
    return found if re.fullmatch("".join(pieces), text, re.IGNORECASE) else None


@pytest.mark.parametrize("time_format", [*PLAIN, *IN_PYTHON])
@settings(max_examples=30)
@given(data=st.data())
def test_texts_are_read_as_python_reads_them(time_format: str, data: st.DataObject) -> None:
    texts = data.draw(st.lists(written(time_format), min_size=1, max_size=5))
    times = [read_by_python(text, time_format) for text in texts]
    field = FieldSpec(name="f", transform="hour_of_day", time_format=time_format)
    readable = are_times(field, pa.array(texts))
    assert readable.tolist() == [
        text == "" or time is not None for text, time in zip(texts, times, strict=True)
    ]
    hours = [str(time.hour) if time else "" for time in times]
    assert tokens("hour_of_day", texts, time_format) == hours
    weekdays = [str(time.weekday()) if time else "" for time in times]
    assert tokens("weekday", texts, time_format) == weekdays


@pytest.mark.parametrize("time_format", PLAIN)
def test_arrow_reads_plain_times(time_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = datetime(2024, 1, 6, 17, tzinfo=UTC).strftime(time_format)
    monkeypatch.setattr(calendar, "_time", lambda *_: pytest.fail("read by Python"))
    assert tokens("weekday", [text], time_format) == ["5"]


@pytest.mark.parametrize("year", [1900, 2000, 2023, 2024])
def test_days_that_a_month_does_not_have_are_no_times(year: int) -> None:
    texts = [f"{year}-{month:02}-{day:02}" for month in range(1, 13) for day in range(28, 32)]
    field = FieldSpec(name="f", transform="weekday", time_format="%Y-%m-%d")
    lengths = [(date(year + month // 12, month % 12 + 1, 1)).toordinal() for month in range(13)]
    found = are_times(field, pa.array(texts)).reshape(12, 4).sum(axis=1) + 27
    assert found.tolist() == [after - before for before, after in pairwise(lengths)]
