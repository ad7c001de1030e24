"""Occurrences of distinct values, counted in chunks and merged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Counts:
    """How often each of several distinct values occurs.

    Attributes:
        values: what is counted depends on the field: tokens; a quantile field's numbers, float64
            with null for the missing value; ids that are known beforehand, int32; a dense field's
            sums, see ``standardization.py``.
        counts: (values,) int64.
    """

    values: pa.Array
    counts: np.ndarray


def merge_counts(parts: Sequence[Counts]) -> Counts:
    """The counts of all parts together."""
    values = pa.concat_arrays([part.values for part in parts])
    weights = np.concatenate([part.counts for part in parts])
    encoded = values.dictionary_encode(null_encoding="encode")
    # Float sums of whole numbers are exact below 2^53 occurrences.
    totals = np.bincount(
        encoded.indices.to_numpy(), weights=weights, minlength=len(encoded.dictionary)
    )
    return Counts(encoded.dictionary, totals.astype(np.int64))
