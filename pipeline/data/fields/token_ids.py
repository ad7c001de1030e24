"""Ids of tokens: what the encodings have in common, and those that need no learning."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.data.fields.binning import MISSING, interval_tokens, numbers
from pipeline.data.fields.counts import Counts
from pipeline.data.fields.hashing import hash_texts
from pipeline.data.fields.tokens import split_tokens
from pipeline.data.ragged import Ragged
from pipeline.spec_data import FieldSpec

# Of a hashed field: no token is out of vocabulary, and the row keeps its meaning all the same.
_HASHED_FROM = 2
_EDGES = b"edges"


class Vocabulary(ABC):
    """The ids of a field's tokens.

    Attributes:
        counts: (cardinality,) int64, occurrences by id.
        edges: a quantile field's inner edges.
    """

    counts: np.ndarray
    edges: np.ndarray | None

    @property
    def cardinality(self) -> int:
        """Ids, out-of-vocabulary included."""
        return len(self.counts)

    @abstractmethod
    def ids_of_tokens(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32."""

    @abstractmethod
    def tokens_by_id(self) -> pa.StringArray:
        """(cardinality,) the token of each id; null where it has none, or several, of its own."""

    @abstractmethod
    def tokens_of_ids(self, ids: np.ndarray) -> list[str | None]:
        """The tokens of some ids, as ``tokens_by_id`` has them."""

    @property
    @abstractmethod
    def missing_id(self) -> int | None:
        """The id of a missing value; None where that is out of vocabulary."""

    def encode(self, field: FieldSpec, values: pa.StringArray) -> np.ndarray | Ragged:
        """The int32 ids of each distinct value; rows of ids for a multi-valued field.

        Args:
            field: the field.
            values: as ``with_tokens`` leaves them.
        """
        if field.kind == "multi_valued":
            tokens, offsets = split_tokens(field, values)
            return Ragged(self.ids_of_tokens(tokens), offsets)
        if self.edges is not None:
            values = interval_tokens(numbers(values), self.edges)
        return self.ids_of_tokens(values)

    def write(self, path: Path) -> None:
        """Writes the columns token, id and count."""
        ids = pa.array(np.arange(self.cardinality, dtype=np.int32))
        columns = {"token": self.tokens_by_id(), "id": ids, "count": pa.array(self.counts)}
        # Tokens are distinct: a Parquet dictionary of them would be work for nothing.
        table = pa.table(columns)
        if self.edges is not None:
            table = table.replace_schema_metadata({_EDGES: json.dumps(self.edges.tolist())})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)


def read_edges(path: Path) -> np.ndarray | None:
    """The quantile edges in the file of a vocabulary; None where it has none."""
    metadata = pq.read_schema(path).metadata or {}
    return np.array(json.loads(metadata[_EDGES]), dtype=float) if _EDGES in metadata else None


@dataclass(frozen=True)
class HashedVocabulary(Vocabulary):
    """Tokens spread over a given number of rows by ``hash_texts``.

    Id 0 stays free, a missing value has id 1, any other token 2 + hash mod (rows - 2).
    """

    counts: np.ndarray
    edges: None = None

    def ids_of_tokens(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32."""
        return hashed_ids(tokens, self.cardinality)

    def tokens_by_id(self) -> pa.StringArray:
        """Null but for the missing value's."""
        none = pa.nulls(self.cardinality - _HASHED_FROM, pa.string())
        return pa.concat_arrays([pa.array([None, MISSING]), none])

    def tokens_of_ids(self, ids: np.ndarray) -> list[str | None]:
        """None but for the missing value's."""
        return [MISSING if one == self.missing_id else None for one in ids.tolist()]

    @property
    def missing_id(self) -> int:
        """The first after the one that stays free."""
        return _HASHED_FROM - 1


@dataclass(frozen=True)
class IdentityVocabulary(Vocabulary):
    """Ids that the source gives, as they are; a missing value has the one after the last."""

    counts: np.ndarray
    edges: None = None

    def ids_of_tokens(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32."""
        return given_ids(tokens, self.cardinality - 1)

    def tokens_by_id(self) -> pa.StringArray:
        """The ids as texts."""
        last = self.cardinality - 1
        return pa.concat_arrays([pa.array(np.arange(last)).cast(pa.string()), pa.array([MISSING])])

    def tokens_of_ids(self, ids: np.ndarray) -> list[str | None]:
        """The ids as texts."""
        return [MISSING if one == self.missing_id else str(one) for one in ids.tolist()]

    @property
    def missing_id(self) -> int:
        """The last."""
        return self.cardinality - 1


def hashed_ids(tokens: pa.StringArray, rows: int) -> np.ndarray:
    """(tokens,) int32 ids below ``rows``."""
    spread = hash_texts(tokens) % np.uint64(rows - _HASHED_FROM) + np.uint64(_HASHED_FROM)
    missing = pc.equal(tokens, MISSING).to_numpy(zero_copy_only=False)
    return np.where(missing, 1, spread).astype(np.int32)


def given_ids(tokens: pa.StringArray, missing: int) -> np.ndarray:
    """(tokens,) int32 ids that are written in the tokens; ``missing`` for the missing value."""
    ids = pc.fill_null(numbers(tokens), missing).to_numpy(zero_copy_only=False)
    # Values of rows that were skipped as bad are still in a chunk's dictionary.
    return np.clip(ids, 0, missing).astype(np.int32)


def known_ids(field: FieldSpec, tokens: pa.StringArray) -> np.ndarray | None:
    """(tokens,) int32 ids where the spec alone settles them; None where they are learnt."""
    if field.hash_rows is not None:
        return hashed_ids(tokens, field.hash_rows)
    if field.cardinality is not None:
        return given_ids(tokens, field.cardinality)
    return None


def settled_ids(field: FieldSpec, counted: Counts) -> Vocabulary | None:
    """The ids that the spec alone settles, with the counts of ``known_ids``."""
    if field.hash_rows is not None:
        return HashedVocabulary(_by_id(counted, field.hash_rows))
    if field.cardinality is not None:
        return IdentityVocabulary(_by_id(counted, field.cardinality + 1))
    return None


def _by_id(counted: Counts, cardinality: int) -> np.ndarray:
    counts = np.zeros(cardinality, dtype=np.int64)
    counts[counted.values.to_numpy(zero_copy_only=False)] = counted.counts
    return counts
