"""Vocabularies: counts of tokens, merged over chunks, and the ids that they lead to.

Learnt ids depend on the counts alone: 1 upwards by falling count, ties in the tokens' byte order.
Id 0 is for all tokens rarer than the minimum count. A missing value's token "" has no minimum.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.fields.binning import (
    MISSING,
    interval_tokens,
    numbers,
    quantile_edges,
)
from pipeline.data.fields.counts import Counts, summed
from pipeline.data.fields.standardization import (
    Standardization,
    count_sums,
    counted_numbers,
    standardize,
)
from pipeline.data.fields.token_ids import Vocabulary, known_ids, settled_ids
from pipeline.data.fields.tokens import is_quantile, split_tokens
from pipeline.data.fields.vocabulary_file import read_tokens
from pipeline.data.token_table import TokenTable
from pipeline.spec_data import FieldSpec

Encoding = Vocabulary | Standardization


@dataclass(frozen=True)
class LearntField:
    """A field, and what was learnt of it.

    Attributes:
        field: as the spec has it.
        encoding: its ids, or a dense field's scale.
        distinct: tokens before the minimum count, a quantile field's numbers before the binning;
            None where they are not counted one by one: hashed, or dense.
        numbers: rows that have a number; of a dense field.
    """

    field: FieldSpec
    encoding: Encoding
    distinct: int | None
    numbers: int | None


@dataclass(frozen=True)
class ListedVocabulary(Vocabulary):
    """Tokens one by one.

    Attributes:
        tokens: in the order of their ids, which begin at 1.
        counts: (tokens + 1,) int64 by id; the first is that of all other tokens together.
        edges: a quantile field's inner edges.
    """

    tokens: pa.StringArray
    counts: np.ndarray
    edges: np.ndarray | None

    def ids_of_tokens(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32, 0 for those that are not in the vocabulary."""
        return self._table.find(tokens) + np.int32(1)

    @cached_property
    def _table(self) -> TokenTable:
        """Made where ids are looked up, once a process."""
        return _table_of(self.tokens)

    def make_table(self) -> None:
        """Makes the table now: threads that look up ids for the first time at once make several."""
        _ = self._table

    def __getstate__(self) -> dict[str, Any]:
        """Without the table."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def tokens_by_id(self) -> pa.StringArray:
        """Null for the out-of-vocabulary row."""
        return pa.concat_arrays([pa.nulls(1, pa.string()), self.tokens])

    def tokens_of_ids(self, ids: np.ndarray) -> list[str | None]:
        """None for the out-of-vocabulary row."""
        tokens: list[str | None] = self.tokens.take(pa.array(ids - 1, mask=ids == 0)).to_pylist()
        return tokens

    @property
    def missing_id(self) -> int | None:
        """None where the vocabulary has no missing value."""
        position: int = pc.index(self.tokens, MISSING).as_py()
        return position + 1 if position >= 0 else None


def count_values(field: FieldSpec, column: pa.DictionaryArray, codes: np.ndarray) -> Counts:
    """Counts what a field's encoding is learnt from, in a chunk.

    Args:
        field: the field.
        column: its values, as ``with_tokens`` leaves them.
        codes: the codes of the rows that count.
    """
    occurrences = np.bincount(codes, minlength=len(column.dictionary))
    seen = np.flatnonzero(occurrences)
    values, counts = column.dictionary.take(pa.array(seen)), occurrences[seen]
    if field.kind == "dense":
        return count_sums(values, counts)
    if field.kind == "multi_valued":
        values, offsets = split_tokens(field, values)
        counts = np.repeat(counts, np.diff(offsets))
    ids = known_ids(field, values)
    if ids is None and field.kind != "multi_valued":
        return Counts(values, counts)
    return summed(values if ids is None else pa.array(ids), counts)


def learn_encoding(field: FieldSpec, counted: Counts, minimum_count: int) -> Encoding:
    """Settles a field's tokens and their ids, or a dense field's scale, from all counts.

    Args:
        field: the field.
        counted: of ``count_values``.
        minimum_count: of fields that have none of their own.

    Raises:
        InputError: when the field's vocabulary file cannot be read.
    """
    if field.kind == "dense":
        return standardize(counted)
    if field.vocabulary_file:
        return recount(read_tokens(field, Path(field.vocabulary_file)), None, counted)
    return settled_ids(field, counted) or _learn(
        field, counted, field.minimum_count or minimum_count
    )


def learnt_field(field: FieldSpec, encoding: Encoding, counted: Counts) -> LearntField:
    """A field with its encoding and what else its counts tell."""
    if field.kind == "dense":
        return LearntField(field, encoding, None, counted_numbers(counted))
    values = numbers(counted.values).unique() if is_quantile(field) else counted.values
    distinct = None if field.encoding == "hash" else len(values)
    return LearntField(field, encoding, distinct, None)


def recount(tokens: pa.StringArray, edges: np.ndarray | None, counted: Counts) -> ListedVocabulary:
    """A vocabulary that is given, with the counts of the tokens that are here."""
    found = counted.values
    if edges is not None:
        found = interval_tokens(numbers(found), edges)
    ids = _table_of(tokens).find(found) + 1
    counts = np.bincount(ids, weights=counted.counts, minlength=len(tokens) + 1)
    return ListedVocabulary(tokens, counts.astype(np.int64), edges)


def _table_of(tokens: pa.StringArray) -> TokenTable:
    table = TokenTable()
    table.add(tokens)
    return table


def _learn(field: FieldSpec, counted: Counts, minimum_count: int) -> ListedVocabulary:
    edges = None
    if is_quantile(field):
        by_number = summed(numbers(counted.values), counted.counts)
        present = pc.is_valid(by_number.values).to_numpy(zero_copy_only=False)
        values = by_number.values.drop_null().to_numpy()
        edges = quantile_edges(values, by_number.counts[present], field.bins)
        counted = summed(interval_tokens(by_number.values, edges), by_number.counts)
    keep = (counted.counts >= minimum_count) | pc.equal(counted.values, MISSING).to_numpy(
        zero_copy_only=False
    )
    table = pa.table({"token": counted.values, "count": pa.array(counted.counts)})
    table = table.filter(pa.array(keep)).sort_by([("count", "descending"), ("token", "ascending")])
    rarer = counted.counts[~keep].sum(dtype=np.int64)
    counts = np.concatenate([[rarer], table["count"].to_numpy()])
    return ListedVocabulary(table["token"].combine_chunks(), counts, edges)
