"""The random split: each row's split is a hash of its number, whoever asks and in what pieces.

A row's number counts all rows of the source from 0, those that are skipped as bad ones included.
So a fault somewhere does not move other rows to other splits, and a reader knows the number of a
block's first row as soon as it has counted the lines before it.
"""

import numpy as np
from numpy.typing import NDArray

# SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the increment and the finaliser's constants.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


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
    state = _finalise(np.array([seed], dtype=np.uint64) + _GAMMA)
    counters = np.arange(first_row, first_row + rows, dtype=np.uint64) + np.uint64(1)
    uniform = (_finalise(state + counters * _GAMMA) >> np.uint64(11)) * 2.0**-53
    total = sum(ratios)
    train_end, valid_end = ratios[0] / total, (ratios[0] + ratios[1]) / total
    return (uniform >= train_end).astype(np.int8) + (uniform >= valid_end).astype(np.int8)


def _finalise(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
