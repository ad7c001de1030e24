"""Tokens of a time's place in the calendar."""

import functools
import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import MISSING
from pipeline.spec_data import FieldSpec

_SATURDAY, _MONDAY = 5, 1
_SECONDS = pa.timestamp("s")
# Of a format: numbers without anything between them, one piece of a time, or what stands between.
_PIECES = re.compile(r"(?P<numbers>(?:%[dHIjmMSUWwuyYfGV]){2,})|(?P<one>%.)|\s+|.")
_WIDTHS = {"Y": 4, "G": 4, "j": 3, "f": 6, "w": 1, "u": 1}
# Python's %f takes six digits; Arrow writes nine where a column has nanoseconds.
_BEYOND_MICROSECONDS = re.compile(r"(?<=[.,]\d{6})\d{3}(?!\d)")
# Formats that Arrow reads too, and behind them what no token depends on; and the texts of which
# Python and Arrow make the same time, if the month has that day.
_PLAIN = re.compile(r"(?P<read>(?:%[YymdHMS]|[ /:T_.,-])+?)(?:[.,]%f)?(?:%z|Z)?")
_PLAIN_TEXTS = {
    "Y": "[1-9][0-9]{3}",
    "y": "[0-9]{2}",
    "m": "(?:0[1-9]|1[0-2])",
    "d": "(?:0[1-9]|[12][0-9]|3[01])",
    "H": "(?:[01][0-9]|2[0-3])",
    "M": "[0-5][0-9]",
    "S": "[0-5][0-9]",
    "f": "(?:[0-9]{1,6}|[0-9]{9})",
    "z": "(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])",
}
_A_TIME = datetime(2024, 10, 21, 17, 5)


def calendar_tokens(field: FieldSpec, values: pa.StringArray) -> pa.StringArray:
    """The hour (0 to 23), the weekday (0 is Monday) or whether it is a weekend (0 or 1).

    >>> field = FieldSpec(name="hour", transform="weekday")
    >>> calendar_tokens(field, pa.array(["14102100", ""])).to_pylist()
    ['1', '']
    """
    times = _times(field.time_format, values)
    if field.transform == "hour_of_day":
        places = pc.hour(times)
    else:
        places = pc.day_of_week(times, week_start=_MONDAY)
    if field.transform == "weekend":
        places = pc.greater_equal(places, _SATURDAY).cast(pa.int8())
    return places.cast(pa.string()).fill_null(MISSING)


def are_times(field: FieldSpec, values: pa.StringArray) -> np.ndarray:
    """(values,) bool, whether each is missing or written as ``field.time_format`` says."""
    readable = pc.is_valid(_times(field.time_format, values))
    return pc.or_(readable, pc.equal(values, MISSING)).to_numpy(zero_copy_only=False)


def _times(time_format: str, values: pa.StringArray) -> pa.TimestampArray:
    """Times as the clock shows them, without fractions and zone; null for other texts.

    Python reads what Arrow does not; a text takes it some thirty times as long.
    """
    plain = _plain_format(time_format)
    times = _plain_times(plain, values) if plain else pa.nulls(len(values), _SECONDS)
    others = pc.and_(pc.is_null(times), pc.not_equal(values, MISSING))
    found = [_time(time_format, text) for text in values.filter(others).to_pylist()]
    return pc.replace_with_mask(times, others, pa.array(found, _SECONDS))


@dataclass(frozen=True)
class _PlainFormat:
    """A format that Arrow reads as Python does.

    Attributes:
        read: the format without fractions and zone.
        width: characters of a text that are read by it.
        day: where the day's two digits are.
        texts: the pattern of whole texts.
    """

    read: str
    width: int
    day: int
    texts: str


@functools.cache
def _plain_format(time_format: str) -> _PlainFormat | None:
    found = _PLAIN.fullmatch(time_format)
    pieces = re.findall("%(.)", time_format)
    if not found or ("Y" in pieces) == ("y" in pieces) or not {"m", "d"} <= set(pieces):
        return None
    read = found["read"]
    before_day = read[: read.index("%d")]
    texts = re.sub("%(.)", lambda one: _PLAIN_TEXTS[one[1]], time_format.replace(".", "[.]"))
    return _PlainFormat(read, _width(read), _width(before_day), f"^{texts}$")


def _width(time_format: str) -> int:
    return len(_A_TIME.strftime(time_format))


def _plain_times(plain: _PlainFormat, values: pa.StringArray) -> pa.TimestampArray:
    known = pc.if_else(pc.match_substring_regex(values, plain.texts), values, None)
    texts = pc.utf8_slice_codeunits(known, 0, plain.width)
    times = pc.strptime(texts, plain.read, "s", error_is_null=True)
    # Arrow makes the 1st of March of the 30th of February.
    days = pc.utf8_slice_codeunits(texts, plain.day, plain.day + 2).cast(pa.int64())
    return pc.if_else(pc.equal(pc.day(times), days), times, None)


def _time(time_format: str, text: str) -> datetime | None:
    try:
        time = datetime.strptime(_BEYOND_MICROSECONDS.sub("", text), time_format)
    except ValueError:
        return None
    if not _full_digits(time_format).fullmatch(text):
        return None
    return time.replace(microsecond=0, tzinfo=None)


@functools.cache
def _full_digits(time_format: str) -> re.Pattern[str]:
    """What a text looks like in which numbers that touch each other have all their digits.

    Python reads "141021" in the format of "14102101" too, with digits left out. Between separators
    a number may be written shorter: there it can be read in one way only.
    """
    return re.compile(_PIECES.sub(_pattern_of, time_format), re.IGNORECASE)


def _pattern_of(piece: re.Match[str]) -> str:
    if numbers := piece["numbers"]:
        return "".join(rf"\d{{{_WIDTHS.get(letter, 2)}}}" for letter in numbers[1::2])
    if piece["one"]:
        return ".+"
    return r"\s+" if piece[0].isspace() else re.escape(piece[0])
