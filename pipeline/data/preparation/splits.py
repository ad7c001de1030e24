"""The random split: each row's split is a hash of its number, whoever asks and in what pieces.

A row's number counts the rows of all files from 0, in the files' order, skipped ones included. So
neither a fault somewhere nor a log's division into files moves other rows to other splits, and a
reader knows the number of a block's first row as soon as it has counted those before it.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.fields.hashing import finalise

# SplitMix64's increment (Steele, Lea and Flood, OOPSLA 2014).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def split_of_rows(
    first_row: int, rows: int, ratios: tuple[float, float, float], seed: int
) -> NDArray[np.int8]:
    """The splits of consecutive rows.

    Args:
        first_row: the number of the first row, counted from 0 over all rows read.
        rows: how many.
        ratios: of train, valid and test, in any scale.
        seed: of the split.

    Returns:
        (rows,) 0 for train, 1 for valid, 2 for test.
    """
    state = finalise(np.array([seed], dtype=np.uint64) + _GAMMA)
    counters = np.arange(first_row, first_row + rows, dtype=np.uint64) + np.uint64(1)
    uniform = (finalise(state + counters * _GAMMA) >> np.uint64(11)) * 2.0**-53
    total = sum(ratios)
    train_end, valid_end = ratios[0] / total, (ratios[0] + ratios[1]) / total
    return (uniform >= train_end).astype(np.int8) + (uniform >= valid_end).astype(np.int8)
