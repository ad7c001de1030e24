"""Occurrences of distinct values, counted in chunks and added up."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.data.token_table import TokenTable, coded


@dataclass(frozen=True)
class Counts:
    """How often each of several values occurs.

    Attributes:
        values: texts: tokens, a quantile field's values, a dense field's sums (see
            ``standardization.py``); or int32: ids that are known beforehand.
        counts: (values,) int64.
    """

    values: pa.Array
    counts: np.ndarray


def summed(values: pa.Array, counts: np.ndarray) -> Counts:
    """Counts with equal values taken together."""
    is_text = pa.types.is_string(values.type)
    encoded = coded(values) if is_text else values.dictionary_encode(null_encoding="encode")
    # Float sums of whole numbers are exact below 2^53 occurrences.
    totals = np.bincount(
        encoded.indices.to_numpy(), weights=counts, minlength=len(encoded.dictionary)
    )
    return Counts(encoded.dictionary, totals.astype(np.int64))


class RunningCounts:
    """A field's counts, chunk by chunk. Holds each distinct text once, and its count."""

    def __init__(self) -> None:
        self._texts = TokenTable()
        self._counts = np.zeros(0, np.int64)

    def add(self, counted: Counts) -> None:
        """Adds a chunk's counts; texts or ids, always the same of them."""
        is_text = pa.types.is_string(counted.values.type)
        codes = self._texts.add(counted.values) if is_text else counted.values.to_numpy()
        size = int(codes.max(initial=-1)) + 1
        if size > len(self._counts):
            more = np.zeros(max(size, 2 * len(self._counts)), np.int64)
            more[: len(self._counts)] = self._counts
            self._counts = more
        np.add.at(self._counts, codes, counted.counts)

    def total(self) -> Counts:
        """All counts."""
        texts = self._texts.tokens()
        if len(texts):
            return Counts(texts, self._counts[: len(texts)])
        ids = np.flatnonzero(self._counts)
        return Counts(pa.array(ids, pa.int32()), self._counts[ids])
