"""The vocabulary files of a prepared dataset, column by column, by id."""

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.console import InputError
from pipeline.data.manifest import VOCABULARY_FOLDER


def vocabulary_path(directory: Path, field: str) -> Path:
    """Where a dataset has a field's vocabulary."""
    return directory / VOCABULARY_FOLDER / f"{field}.parquet"


def read_column(directory: Path, field: str, column: Literal["token", "count"]) -> pa.Array:
    """(cardinality,) by id: the tokens, null where an id has none, or how often each occurs.

    Counts are of the data that the vocabulary was learnt on.

    Args:
        directory: the dataset.
        field: its name.
        column: which.

    Raises:
        InputError: the vocabulary cannot be read.
    """
    path = vocabulary_path(directory, field)
    try:
        return pq.read_table(path, columns=[column])[column].combine_chunks()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(f"{path}: the vocabulary cannot be read: {error}") from None
