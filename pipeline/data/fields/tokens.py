"""From a field's distinct values to its tokens. Works on dictionaries, never on rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import (
    MISSING,
    interval_tokens,
    log_square_tokens,
    log_tokens,
    numbers,
)
from pipeline.data.fields.calendar import calendar_tokens
from pipeline.data.ragged import offsets_of
from pipeline.spec_data import FieldSpec


def is_quantile(field: FieldSpec) -> bool:
    """Whether the field's tokens need edges that are learnt from the data."""
    return field.kind == "numeric" and field.binning == "quantile"


def single_tokens(
    field: FieldSpec, values: pa.StringArray, edges: np.ndarray | None
) -> pa.StringArray:
    """The token of each value of a field that is not multi-valued.

    Args:
        field: the field.
        values: distinct texts.
        edges: of a quantile field.
    """
    if field.kind == "categorical":
        return values if field.transform == "none" else calendar_tokens(field, values)
    if edges is not None:
        return interval_tokens(numbers(values), edges)
    if field.binning == "log":
        return log_tokens(values, field.log_base)
    return log_square_tokens(values)


def split_tokens(field: FieldSpec, values: pa.StringArray) -> tuple[pa.StringArray, np.ndarray]:
    """The tokens of each value of a multi-valued field.

    Empty pieces are dropped, so ``a||b`` has two tokens; a value with none but empty pieces has the
    missing token alone.

    Returns:
        The tokens of all values, one value after the other; and (values + 1,) offsets.
    """
    lists = pc.split_pattern(values, field.separator)
    pieces = lists.flatten()
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    starts = offsets_of(counts)
    owner = np.repeat(np.arange(len(values)), counts)
    filled = pc.not_equal(pieces, MISSING).to_numpy(zero_copy_only=False)
    before = offsets_of(filled)
    rank = before[:-1] - before[starts[owner]]
    none = before[starts[1:]] == before[starts[:-1]]
    first = np.arange(len(pieces)) == starts[owner]
    kept = (filled & (rank < field.max_length)) | (none[owner] & first)
    lengths = np.bincount(owner[kept], minlength=len(values))
    return pieces.filter(pa.array(kept)), offsets_of(lengths)
