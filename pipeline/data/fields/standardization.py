"""Dense fields: numbers scaled to mean 0 and standard deviation 1 over the train split.

Sums of floats depend on their order. Here they are exact: a number is a sum of whole multiples of
powers of two, and what a chunk counts is those multiples. Merged counts then give the same mean and
deviation for every number of threads and size of chunks.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import numbers
from pipeline.data.fields.counts import Counts, summed
from pipeline.spec_data import FieldSpec

_ROWS = "rows"
# A float64's 53 bits in pieces that keep sums over 2^35 rows below 2^53.
_PIECE_BITS = 18
_PIECES = 3


@dataclass(frozen=True)
class Standardization:
    """A dense field's scale."""

    mean: float
    deviation: float

    def encode(self, field: FieldSpec, values: pa.StringArray) -> np.ndarray:
        """(values,) float32, the scaled numbers; 0, the mean, where one is missing."""
        scaled = (numbers(values).to_numpy(zero_copy_only=False) - self.mean) / self.deviation
        return np.nan_to_num(scaled.astype(np.float32), nan=0.0)


def count_sums(values: pa.StringArray, counts: np.ndarray) -> Counts:
    """What the mean and the deviation follow from.

    Args:
        values: distinct texts.
        counts: the occurrences of each.

    Returns:
        Counts of the rows that have a number, and of the powers of two that their numbers and
        their squares are made of: ``x -3`` counts 2^-3 in the sum, ``xx 5`` counts 2^5 in the
        sum of squares.
    """
    x = numbers(values).to_numpy(zero_copy_only=False)
    present = ~np.isnan(x)
    x, counts = x[present], counts[present]
    names, totals = [_ROWS], [int(counts.sum())]
    # Mantissas are of about 1: the square of a small x would not be a float64 any more.
    mantissas, exponents = np.frexp(x)
    squares, rests = _squares(mantissas)
    sums = (
        ("x", mantissas, exponents),
        ("xx", squares, 2 * exponents),
        ("xx", rests, 2 * exponents),
    )
    for name, terms, scales in sums:
        for exponent, total in _powers_of_two(terms, scales, counts):
            names.append(f"{name} {exponent}")
            totals.append(total)
    return summed(pa.array(names), np.array(totals, dtype=np.int64))


def _squares(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two floats that make up each square exactly (Dekker 1971), for x of about 1."""
    squares = x * x
    shifted = x * (2.0**27 + 1)
    high = shifted - (shifted - x)
    low = x - high
    return squares, ((high * high - squares) + 2 * high * low) + low * low


def _powers_of_two(
    terms: np.ndarray, scales: np.ndarray, counts: np.ndarray
) -> list[tuple[int, int]]:
    """Pairs (e, n) with sum(terms 2^scales x counts) = sum(n 2^e), exactly; an e may come again."""
    mantissa, exponent = np.frexp(terms)
    exponent = exponent + scales
    whole = (mantissa * 2.0**53).astype(np.int64)
    pairs = []
    for piece in range(_PIECES):
        shift = _PIECE_BITS * (_PIECES - 1 - piece)
        part = whole >> shift
        whole = whole - (part << shift)
        for e in np.unique(exponent[part != 0]).tolist():
            of_e = exponent == e
            pairs.append((e - 53 + shift, int((part[of_e] * counts[of_e]).sum())))
    return pairs


def counted_numbers(counted: Counts) -> int:
    """The rows that have a number."""
    rows = counted.counts[pc.equal(counted.values, _ROWS).to_numpy(zero_copy_only=False)]
    return int(rows.sum())


def standardize(counted: Counts) -> Standardization:
    """The scale from all counts.

    A field of one value, or of none, is only shifted; so is one whose variance is below the
    smallest float64, some 5e-324.
    """
    sums = {"x": Fraction(0), "xx": Fraction(0)}
    rows = 0
    for name, count in zip(counted.values.to_pylist(), counted.counts.tolist(), strict=True):
        if name == _ROWS:
            rows = count
            continue
        kind, exponent = name.split(" ")
        sums[kind] += count * Fraction(2) ** int(exponent)
    if not rows:
        return Standardization(0.0, 1.0)
    mean = sums["x"] / rows
    variance = float(sums["xx"] / rows - mean * mean)
    return Standardization(float(mean), math.sqrt(variance) or 1.0)
