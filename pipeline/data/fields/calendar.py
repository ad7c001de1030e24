"""Tokens of a time's place in the calendar."""

import functools
import re
from datetime import datetime

import numpy as np
import pyarrow as pa

from pipeline.data.fields.binning import MISSING
from pipeline.spec_data import FieldSpec

_SATURDAY = 5
# Of a format: numbers without anything between them, one piece of a time, or what stands between.
_PIECES = re.compile(r"(?P<numbers>(?:%[dHIjmMSUWwuyYfGV]){2,})|(?P<one>%.)|\s+|.")
_WIDTHS = {"Y": 4, "G": 4, "j": 3, "f": 6, "w": 1, "u": 1}
# Python's %f takes six digits; Arrow writes nine where a column has nanoseconds.
_BEYOND_MICROSECONDS = re.compile(r"(?<=[.,]\d{6})\d{3}(?!\d)")


def calendar_tokens(field: FieldSpec, values: pa.StringArray) -> pa.StringArray:
    """The hour (0 to 23), the weekday (0 is Monday) or whether it is a weekend (0 or 1).

    >>> field = FieldSpec(name="hour", transform="weekday")
    >>> calendar_tokens(field, pa.array(["14102100", ""])).to_pylist()
    ['1', '']
    """
    return pa.array([_token(field, text) for text in values.to_pylist()], pa.string())


def are_times(field: FieldSpec, values: pa.StringArray) -> np.ndarray:
    """(values,) bool, whether each is missing or written as ``field.time_format`` says."""
    readable = [text == MISSING or _time(field, text) is not None for text in values.to_pylist()]
    return np.array(readable, dtype=bool)


def _token(field: FieldSpec, text: str) -> str:
    time = _time(field, text) if text != MISSING else None
    if time is None:
        return MISSING
    if field.transform == "hour_of_day":
        return str(time.hour)
    if field.transform == "weekday":
        return str(time.weekday())
    return str(int(time.weekday() >= _SATURDAY))


def _time(field: FieldSpec, text: str) -> datetime | None:
    try:
        time = datetime.strptime(_BEYOND_MICROSECONDS.sub("", text), field.time_format)
    except ValueError:
        return None
    return time if _full_digits(field.time_format).fullmatch(text) else None


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
