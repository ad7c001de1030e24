"""Ragged arrays: several values a row, as one array of values and where each row begins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """Rows of any length.

    Attributes:
        values: the rows' values, one row after the other.
        offsets: (rows + 1,) int64, where each row begins in ``values``.
    """

    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) values of each row."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "Ragged":
        """The rows at the positions ``rows``."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        offsets = offsets_of(lengths)
        within = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Ragged(self.values[within], offsets)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """(rows + 1,) int64 offsets of rows of these lengths."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def concatenate_ragged(pieces: Sequence[Ragged]) -> Ragged:
    """Rows one after the other."""
    lengths = np.concatenate([piece.lengths for piece in pieces])
    return Ragged(np.concatenate([piece.values for piece in pieces]), offsets_of(lengths))
