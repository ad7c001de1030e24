"""A chunk: consecutive rows of a source, read and checked, every column as codes of its values."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# A value of a column is a text; a missing one is "".
VALUES = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Chunk:
    """Rows of one block of a source.

    Attributes:
        columns: field name -> (rows,) dictionary of ``VALUES``.
        labels: by label, (rows,) uint8, 0 or 1.
        positions: (rows,) int64, where each row stands in the block.
        splits: (rows,) int8, the index in ``SPLITS``; None where no column of the log settles it.
        rows_read: rows of the block, skipped ones included.
        skipped: rows left out, by reason.
    """

    columns: dict[str, pa.DictionaryArray]
    labels: dict[str, np.ndarray]
    positions: np.ndarray
    splits: np.ndarray | None
    rows_read: int
    skipped: dict[str, int]
