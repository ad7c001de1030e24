"""How often each id of a field occurs in the data that its vocabulary was learnt on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.console import InputError
from pipeline.data.manifest import VOCABULARY_FOLDER


def read_row_counts(directory: Path, field: str) -> np.ndarray:
    """(cardinality,) int64, by id.

    Args:
        directory: the dataset.
        field: its name.

    Raises:
        InputError: the vocabulary cannot be read.
    """
    path = directory / VOCABULARY_FOLDER / f"{field}.parquet"
    try:
        counts: np.ndarray = pq.read_table(path, columns=["count"])["count"].to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(f"{path}: the vocabulary cannot be read: {error}") from None
    return counts
