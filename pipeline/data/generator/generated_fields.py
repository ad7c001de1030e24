"""The fields of generated data: their names, sizes and distributions, modelled on Criteo's."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# A field's tokens are numbered within 20 bits of the 32 that a token's 8 hex digits hold.
MOST_TOKENS = 1 << 20
LARGEST_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class IntegerField:
    """An integer field: log-logistic, so its tail falls as a power of the value.

    Attributes:
        missing: the share of rows without a value.
        median: of the values that are there, above ``minimum``.
        tail: the exponent; P(value > v) falls as v^-tail.
        minimum: the smallest value.
    """

    name: str
    missing: float
    median: float
    tail: float
    minimum: int = 0

    def column(self, uniforms: NDArray[np.float64]) -> pa.Array:
        """(rows,) values from as many uniform numbers in [0, 1); null where missing."""
        missing = uniforms < self.missing
        share = np.maximum(uniforms - self.missing, 0) / (1 - self.missing)
        spread = self.median * (share / (1 - share)) ** (1 / self.tail)
        values = np.minimum(np.floor(spread) + self.minimum, LARGEST_INTEGER).astype(np.int64)
        return pa.array(values, mask=missing)


@dataclass(frozen=True)
class CategoricalField:
    """A categorical field of hashed tokens, Zipf-distributed.

    Token 0 stands for a missing value; token k >= 1 is the k-th most frequent.

    Attributes:
        number: its place among the categorical fields, from 1.
        cardinality: distinct tokens, the missing value not counted.
        exponent: the share of token k falls as k^-exponent.
        missing: the share of rows without a value.
    """

    number: int
    cardinality: int
    exponent: float
    missing: float = 0.0

    @property
    def name(self) -> str:
        """``C1`` to ``C26``."""
        return f"C{self.number}"

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """(1 + cardinality,) the probability of each token, missing first."""
        weights = np.arange(1, self.cardinality + 1, dtype=np.float64) ** -self.exponent
        return np.append(self.missing, (1 - self.missing) * weights / weights.sum())

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        """(1 + cardinality,) the distribution function; its end is 1 in spite of rounding."""
        return np.append(np.cumsum(self.shares)[:-1], 1.0)

    @cached_property
    def texts(self) -> pa.Array:
        """(1 + cardinality,) what stands in the file for each token: "" or 8 hex digits."""
        numbers = np.arange(self.cardinality + 1, dtype=np.uint32)
        hashes = _mix(numbers + np.uint32(self.number * MOST_TOKENS))
        digits = _HEX[hashes.astype(">u4").view(np.uint8)].view("S8")
        return pa.array(np.append(b"", digits[1:])).cast(pa.string())

    def tokens(self, uniforms: NDArray[np.float64]) -> NDArray[np.int32]:
        """(rows,) tokens from as many uniform numbers in [0, 1)."""
        return np.searchsorted(self._bounds, uniforms, side="right").astype(np.int32)

    def column(self, uniforms: NDArray[np.float64]) -> pa.Array:
        """(rows,) texts from as many uniform numbers in [0, 1); "" where missing."""
        return pa.DictionaryArray.from_arrays(self.tokens(uniforms), self.texts)


_HEX = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")


def _mix(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MurmurHash3's 32-bit finalizer: one to one, so no two tokens of any field share a hash."""
    numbers ^= numbers >> np.uint32(16)
    numbers *= np.uint32(0x85EBCA6B)
    numbers ^= numbers >> np.uint32(13)
    numbers *= np.uint32(0xC2B2AE35)
    return numbers ^ (numbers >> np.uint32(16))


# Medians, tails and missing shares are near those of the first rows of Criteo's training file.
INTEGER_FIELDS = (
    IntegerField("I1", missing=0.45, median=1.2, tail=1.2),
    IntegerField("I2", missing=0.0, median=5, tail=0.9, minimum=-2),
    IntegerField("I3", missing=0.2, median=7, tail=1.1),
    IntegerField("I4", missing=0.2, median=4, tail=1.5),
    IntegerField("I5", missing=0.05, median=2500, tail=0.9),
    IntegerField("I6", missing=0.25, median=40, tail=1.1),
    IntegerField("I7", missing=0.05, median=3, tail=1.0),
    IntegerField("I8", missing=0.0, median=7, tail=1.4),
    IntegerField("I9", missing=0.05, median=41, tail=1.2),
    IntegerField("I10", missing=0.45, median=1.0, tail=2.5),
    IntegerField("I11", missing=0.05, median=1.5, tail=1.8),
    IntegerField("I12", missing=0.77, median=0.6, tail=1.3),
    IntegerField("I13", missing=0.2, median=5, tail=1.4),
)

# Cardinalities are Criteo's own at a minimum count of 10. Exponents of 1.3 give heads of about a
# quarter of the rows, so that a demo's 200,000 rows repeat most of their tokens often enough to
# learn from; at 1.05 a model spends its capacity on memorising tokens seen 10 to 100 times.
CATEGORICAL_FIELDS = (
    CategoricalField(1, 1458, 1.3),
    CategoricalField(2, 555, 1.3),
    CategoricalField(3, 193_949, 1.3, missing=0.04),
    CategoricalField(4, 138_801, 1.3, missing=0.04),
    CategoricalField(5, 306, 1.3),
    CategoricalField(6, 19, 1.1, missing=0.12),
    CategoricalField(7, 11_970, 1.3),
    CategoricalField(8, 634, 1.3),
    CategoricalField(9, 4, 1.5),
    CategoricalField(10, 42_646, 1.3),
    CategoricalField(11, 5178, 1.3),
    CategoricalField(12, 192_773, 1.3, missing=0.04),
    CategoricalField(13, 3175, 1.3),
    CategoricalField(14, 27, 1.1),
    CategoricalField(15, 11_422, 1.3),
    CategoricalField(16, 181_075, 1.3, missing=0.04),
    CategoricalField(17, 11, 1.1),
    CategoricalField(18, 4654, 1.3),
    CategoricalField(19, 2032, 1.2, missing=0.44),
    CategoricalField(20, 5, 1.1, missing=0.2),
    CategoricalField(21, 189_657, 1.3, missing=0.04),
    CategoricalField(22, 18, 1.5, missing=0.76),
    CategoricalField(23, 16, 1.1),
    CategoricalField(24, 59_697, 1.3, missing=0.04),
    CategoricalField(25, 86, 1.3, missing=0.2),
    CategoricalField(26, 45_571, 1.3, missing=0.44),
)

# In the order of the file's columns, which begin with the label.
FIELDS: tuple[IntegerField | CategoricalField, ...] = (*INTEGER_FIELDS, *CATEGORICAL_FIELDS)
