"""Vocabularies: counts of tokens, merged over chunks, and the ids that they lead to.

Ids depend on the counts alone: 1 upwards by falling count, ties in the tokens' byte order. Id 0 is
for all tokens rarer than the minimum count. A missing value's token "" has no minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.data.fields.binning import (
    MISSING,
    interval_tokens,
    numbers,
    quantile_edges,
)
from pipeline.data.fields.tokens import is_quantile, single_tokens, split_tokens
from pipeline.data.ragged import Ragged
from pipeline.spec_data import FieldSpec


@dataclass(frozen=True)
class Counts:
    """Occurrences of distinct things: of tokens, or of a quantile field's numbers.

    Attributes:
        values: texts; or float64, where null is the missing value.
        counts: (values,) int64.
    """

    values: pa.Array
    counts: np.ndarray


@dataclass(frozen=True)
class Vocabulary:
    """A field's tokens.

    Attributes:
        tokens: in the order of their ids, which begin at 1.
        counts: (tokens + 1,) int64 by id; the first is that of all rarer tokens together.
        edges: a quantile field's inner edges.
    """

    tokens: pa.StringArray
    counts: np.ndarray
    edges: np.ndarray | None

    @property
    def cardinality(self) -> int:
        """Ids, out-of-vocabulary included."""
        return len(self.tokens) + 1

    def ids_of_values(self, field: FieldSpec, values: pa.StringArray) -> np.ndarray | Ragged:
        """The int32 ids of each distinct value; rows of ids for a multi-valued field."""
        if field.kind == "multi_valued":
            tokens, offsets = split_tokens(field, values)
            return Ragged(self._ids_of_tokens(tokens), offsets)
        return self._ids_of_tokens(single_tokens(field, values, self.edges))

    def _ids_of_tokens(self, tokens: pa.StringArray) -> np.ndarray:
        positions = pc.fill_null(pc.index_in(tokens, value_set=self.tokens), -1)
        return positions.to_numpy(zero_copy_only=False).astype(np.int32) + np.int32(1)

    def write(self, path: Path) -> None:
        """Writes the columns token (null on row 0), id and count."""
        tokens = pa.concat_arrays([pa.nulls(1, pa.string()), self.tokens])
        ids = pa.array(np.arange(self.cardinality, dtype=np.int32))
        table = pa.table({"token": tokens, "id": ids, "count": pa.array(self.counts)})
        # Tokens are distinct: a Parquet dictionary of them would be work for nothing.
        pq.write_table(table, path, compression="zstd", use_dictionary=False)


def count_values(field: FieldSpec, column: pa.DictionaryArray, codes: np.ndarray) -> Counts:
    """Counts what a field's vocabulary is learnt from, in a chunk.

    Args:
        field: the field.
        column: its values.
        codes: the codes of the rows that count.
    """
    occurrences = np.bincount(codes, minlength=len(column.dictionary))
    seen = np.flatnonzero(occurrences)
    values, counts = column.dictionary.take(pa.array(seen)), occurrences[seen]
    if field.kind == "multi_valued":
        tokens, offsets = split_tokens(field, values)
        return merge_counts([Counts(tokens, np.repeat(counts, np.diff(offsets)))])
    if is_quantile(field):
        return merge_counts([Counts(numbers(values), counts)])
    if field.kind == "numeric":
        return merge_counts([Counts(single_tokens(field, values, None), counts)])
    return Counts(values, counts)


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


def learn_vocabulary(field: FieldSpec, counted: Counts, minimum_count: int) -> Vocabulary:
    """Settles a field's tokens and their ids from merged counts."""
    edges = None
    if is_quantile(field):
        present = pc.is_valid(counted.values).to_numpy(zero_copy_only=False)
        values = counted.values.drop_null().to_numpy()
        edges = quantile_edges(values, counted.counts[present], field.bins)
        counted = merge_counts([Counts(interval_tokens(counted.values, edges), counted.counts)])
    keep = (counted.counts >= minimum_count) | pc.equal(counted.values, MISSING).to_numpy(
        zero_copy_only=False
    )
    table = pa.table({"token": counted.values, "count": pa.array(counted.counts)})
    table = table.filter(pa.array(keep)).sort_by([("count", "descending"), ("token", "ascending")])
    rarer = counted.counts[~keep].sum(dtype=np.int64)
    counts = np.concatenate([[rarer], table["count"].to_numpy()])
    return Vocabulary(table["token"].combine_chunks(), counts, edges)
