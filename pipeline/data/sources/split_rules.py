"""Splits that a column of the log settles: by its values, or by time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import MISSING, numbers
from pipeline.data.manifest import SPLITS
from pipeline.spec_data import SplitSpec

NOT_A_SPLIT = "value that no split has"
NOT_A_TIME = "time that cannot be read"
UNKNOWN = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Of a microsecond, for each unit that a text may have digits for.
_TICKS = {"us": 1, "ns": 1_000}


class SplitRule(Protocol):
    """Says which split a row belongs to, from one of its columns."""

    @property
    def column(self) -> str:
        """The source's column."""

    @property
    def reason(self) -> str:
        """The heading that rows without a split are counted under."""

    def splits_of(self, values: pa.StringArray) -> np.ndarray:
        """(values,) int8, the index in ``SPLITS`` of each distinct value, or ``UNKNOWN``."""

    def describe(self, value: str) -> str:
        """What is wrong with an unknown value."""


@dataclass(frozen=True)
class ColumnRule:
    """Each split has values of its own."""

    column: str
    values: Mapping[str, int]
    reason: str = NOT_A_SPLIT

    def splits_of(self, values: pa.StringArray) -> np.ndarray:
        """(values,) int8, the index in ``SPLITS`` of each distinct value, or ``UNKNOWN``."""
        found = [self.values.get(value, UNKNOWN) for value in values.to_pylist()]
        return np.array(found, dtype=np.int8)

    def describe(self, value: str) -> str:
        """What is wrong with an unknown value."""
        known = ", ".join(map(repr, self.values))
        return f"the split column {self.column!r} has {value!r}, one of {known} expected"


@dataclass(frozen=True)
class TimeRule:
    """The oldest rows train.

    Attributes:
        column: holds the time.
        valid_from: the first time of the valid split.
        test_from: the first time of the test split.
    """

    column: str
    valid_from: float
    test_from: float
    reason: str = NOT_A_TIME

    def splits_of(self, values: pa.StringArray) -> np.ndarray:
        """(values,) int8, the index in ``SPLITS`` of each distinct value, or ``UNKNOWN``."""
        times = times_of(values).times
        splits = (times >= self.valid_from).astype(np.int8) + (times >= self.test_from)
        return np.where(np.isnan(times), UNKNOWN, splits).astype(np.int8)

    def describe(self, value: str) -> str:
        """What is wrong with an unknown value."""
        return (
            f"the time column {self.column!r} has {value!r}, a number or an ISO 8601 time expected"
        )


@dataclass(frozen=True)
class Times:
    """Texts as times.

    Attributes:
        times: (values,) float64: numbers as they are, dates as microseconds since 1970, which are
            exact; NaN where a text is neither.
        are_dates: (values,) bool.
    """

    times: np.ndarray
    are_dates: np.ndarray


def times_of(values: pa.StringArray) -> Times:
    """Reads numbers and ISO 8601 dates; a date without a time zone is taken as UTC.

    >>> times_of(pa.array(["7", "1970-01-01 00:00:01", "x"])).times.tolist()
    [7.0, 1000000.0, nan]
    """
    times = numbers(values).to_numpy(zero_copy_only=False).copy()
    given = pc.not_equal(values, MISSING).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(np.isnan(times) & given)
    times[others] = _dates(values.take(pa.array(others)))
    are_dates = np.zeros(len(times), dtype=bool)
    are_dates[others] = ~np.isnan(times[others])
    return Times(times, are_dates)


def _dates(texts: pa.StringArray) -> np.ndarray:
    """(texts,) float64, microseconds since 1970; NaN for what is no date.

    Texts of one kind, as a program writes them, are read by Arrow. Python knows all of ISO 8601,
    but takes a hundred times as long.
    """
    for unit, zone in product(_TICKS, (None, "UTC")):
        # What it cannot read takes Arrow as long as Python: the first text tells the kind.
        if _read(texts[:1], unit, zone) is None:
            continue
        if (read := _read(texts, unit, zone)) is not None:
            return read
    return np.array([_microseconds(text) for text in texts.to_pylist()], dtype=np.float64)


def _read(texts: pa.StringArray, unit: str, zone: str | None) -> np.ndarray | None:
    try:
        ticks = texts.cast(pa.timestamp(unit, zone)).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return (ticks.to_numpy() // _TICKS[unit]).astype(np.float64)


def _microseconds(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return np.nan
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return float((aware - _EPOCH) // _MICROSECOND)


def column_rule(split: SplitSpec) -> ColumnRule:
    """The rule of a spec with ``by = "column"``."""
    values = {value: index for index, name in enumerate(SPLITS) for value in getattr(split, name)}
    return ColumnRule(split.column, values)
