"""From a field's distinct values to its tokens. Works on dictionaries, never on rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import MISSING, log_square_tokens, log_tokens
from pipeline.data.fields.calendar import calendar_tokens
from pipeline.data.ragged import offsets_of
from pipeline.data.token_table import as_dictionary, coded
from pipeline.spec_data import FieldSpec


def is_quantile(field: FieldSpec) -> bool:
    """Whether the field's tokens need edges that are learnt from the data."""
    return field.kind == "numeric" and field.binning == "quantile"


def with_tokens(field: FieldSpec, column: pa.DictionaryArray) -> pa.DictionaryArray:
    """The column with tokens in place of the values that they follow from.

    Values stay where a token is learnt (quantiles), where one has several (multi-valued), and where
    it has none (dense).
    """
    tokens = _tokens(field, column.dictionary)
    if tokens is None:
        return column
    distinct = coded(tokens)
    codes = distinct.indices.to_numpy().take(column.indices.to_numpy())
    return as_dictionary(codes, distinct.dictionary)


def _tokens(field: FieldSpec, values: pa.StringArray) -> pa.StringArray | None:
    """The token of each value; None where values stay."""
    if field.kind == "categorical":
        return None if field.transform == "none" else calendar_tokens(field, values)
    if field.kind != "numeric" or is_quantile(field):
        return None
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
