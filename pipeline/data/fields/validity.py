"""Which values of a field can be read. Works on dictionaries, never on rows."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import MISSING, numbers
from pipeline.data.fields.calendar import are_times
from pipeline.data.fields.tokens import split_tokens
from pipeline.spec_data import FieldSpec

NOT_A_NUMBER = "not a number in a numeric field"
NOT_A_DENSE_NUMBER = "not a number of float32 in a dense field"
NOT_AN_ID = "id out of range"
NOT_A_TIME = "not a time"
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Validity:
    """What became of checking a field's distinct values.

    Attributes:
        valid: (values,) bool.
        reason: the heading that rows with other values are counted under.
        field: the field as messages name it.
        expected: in words.
    """

    valid: np.ndarray
    reason: str
    field: str
    expected: str

    def describe(self, value: str) -> str:
        """What is wrong with a value."""
        return f"{self.field} has {value!r}, {self.expected} or nothing expected"


def check_values(field: FieldSpec, values: pa.StringArray) -> Validity | None:
    """Checks a field's distinct values; None for a field that takes any text."""
    name = f"the field {field.name!r}"
    if field.kind == "dense":
        valid = _numbers_or_missing(values) & ~_beyond_float32(values)
        expected = f"a number of at most {_LARGEST:.3g}"
        return Validity(valid, NOT_A_DENSE_NUMBER, f"the dense field {field.name!r}", expected)
    if field.kind == "numeric":
        valid = _numbers_or_missing(values)
        return Validity(valid, NOT_A_NUMBER, f"the numeric field {field.name!r}", "a number")
    if field.transform != "none":
        valid = are_times(field, values)
        return Validity(valid, NOT_A_TIME, name, f"a time as {field.time_format}")
    if field.cardinality is not None:
        expected = f"an id from 0 to {field.cardinality - 1}"
        return Validity(_ids_below(field, values, field.cardinality), NOT_AN_ID, name, expected)
    return None


def _numbers_or_missing(values: pa.StringArray) -> np.ndarray:
    valid = pc.or_(pc.is_valid(numbers(values)), pc.equal(values, MISSING))
    return valid.to_numpy(zero_copy_only=False)


def _beyond_float32(values: pa.StringArray) -> np.ndarray:
    sizes = np.abs(numbers(values).to_numpy(zero_copy_only=False))
    return sizes > _LARGEST


def _ids_below(field: FieldSpec, values: pa.StringArray, end: int) -> np.ndarray:
    """Whether all tokens of each value are whole numbers from 0 to ``end`` - 1, or missing."""
    offsets = np.arange(len(values) + 1)
    if field.kind == "multi_valued":
        values, offsets = split_tokens(field, values)
    digits = pc.match_substring_regex(values, "^[0-9]+$")
    in_range = pc.less(pc.fill_null(numbers(values), float(end)), float(end))
    valid = pc.or_(pc.and_(digits, in_range), pc.equal(values, MISSING))
    bad = np.concatenate([[0], np.cumsum(~valid.to_numpy(zero_copy_only=False))])
    return bad[offsets[1:]] == bad[offsets[:-1]]
