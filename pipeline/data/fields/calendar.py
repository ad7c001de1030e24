"""Tokens of a time's place in the calendar."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from pipeline.data.fields.binning import MISSING
from pipeline.spec_data import FieldSpec

_SATURDAY = 5


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
        time = datetime.strptime(text, field.time_format)
    except ValueError:
        return None
    # Python reads "141021" in the format of "14102101" too, with digits left out.
    return time if time.strftime(field.time_format) == text else None
