"""Which row of one dataset's field is which row of another's, by the tokens of both."""

import re
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipeline.data.fields.dataset_vocabulary import read_column
from pipeline.data.manifest import Field

# Encodings under which a token stays itself when the number of ids changes.
_OF_TOKENS = re.compile(r" (identity \d+|file)$")
_UNKNOWN = -1


def known_rows(field: Field, directory: Path, other: Field, other_directory: Path) -> np.ndarray:
    """(cardinality,) int64: for each row of ``field`` the row of ``other`` with its token, or -1.

    The out-of-vocabulary rows are each other's. A hashed field has no tokens: its rows are the
    same where both have as many, and else all unknown. So are all where values became tokens in
    other ways, such as other bins.

    Args:
        field: whose rows are looked up.
        directory: the dataset that it is of.
        other: the field of the same name in another dataset.
        other_directory: that dataset.

    Raises:
        InputError: a vocabulary cannot be read.
    """
    if _OF_TOKENS.sub("", field.recipe) != _OF_TOKENS.sub("", other.recipe):
        return np.full(field.cardinality, _UNKNOWN)
    tokens = read_column(directory, field.name, "token")
    others = read_column(other_directory, other.name, "token")
    if tokens.null_count > 1:
        return np.arange(field.cardinality)
    found = pc.index_in(tokens, value_set=others)
    return pc.fill_null(found, _UNKNOWN).to_numpy(zero_copy_only=False).astype(np.int64)
