"""The second pass: the codes of spilled chunks become ids, and ids become parts.

A part's rows are known beforehand from the chunks' counts of rows. So each part is made by itself,
by any worker, and those that an earlier run finished are kept.
"""

import functools
import json
import pickle
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.fields.vocabulary import Encoding, ListedVocabulary
from pipeline.data.manifest import SPLITS, Part
from pipeline.data.overview.sample import Sample, sampled_positions, take_sample
from pipeline.data.parts import part_schema, write_part
from pipeline.data.preparation.spill import SpilledChunk, read_spilled
from pipeline.data.preparation.workplace import Workplace
from pipeline.data.ragged import Ragged, concatenate_ragged
from pipeline.data.whole_files import file_digest, write_whole


@dataclass(frozen=True)
class Piece:
    """Rows ``start`` to ``stop`` of a chunk."""

    chunk: SpilledChunk
    start: int
    stop: int


@dataclass(frozen=True)
class PartJob:
    """A part to write.

    Attributes:
        place: where the dataset is built.
        split: the part's.
        number: of the part within its split.
        pieces: its rows, in order.
        sampled: which of them are in the split's sample.
        vocabularies: digest of the file of ``save_vocabularies``.
    """

    place: Workplace
    split: str
    number: int
    pieces: tuple[Piece, ...]
    sampled: np.ndarray
    vocabularies: str


def plan_parts(
    chunks: Sequence[SpilledChunk], part_rows: int, place: Workplace, vocabularies: str
) -> list[PartJob]:
    """Cuts every split's rows into parts of ``part_rows`` rows, the last one with the rest.

    Which rows stand in which part depends on the rows alone, not on the chunks they come in.
    """
    jobs = []
    for index, split in enumerate(SPLITS):
        rows = sum(chunk.split_rows[index] for chunk in chunks)
        for number, pieces in enumerate(_cut(_pieces_of_split(chunks, index), part_rows)):
            start = number * part_rows
            sampled = sampled_positions(split, rows, start, min(start + part_rows, rows))
            jobs.append(PartJob(place, split, number, tuple(pieces), sampled, vocabularies))
    return jobs


def _pieces_of_split(chunks: Sequence[SpilledChunk], index: int) -> Iterator[Piece]:
    for chunk in chunks:
        start = sum(chunk.split_rows[:index])
        if chunk.split_rows[index]:
            yield Piece(chunk, start, start + chunk.split_rows[index])


def _cut(pieces: Iterator[Piece], part_rows: int) -> Iterator[list[Piece]]:
    part: list[Piece] = []
    room = part_rows
    for piece in pieces:
        start = piece.start
        while piece.stop - start >= room:
            yield [*part, Piece(piece.chunk, start, start + room)]
            part, start, room = [], start + room, part_rows
        if start < piece.stop:
            part.append(Piece(piece.chunk, start, piece.stop))
            room -= piece.stop - start
    if part:
        yield part


def save_vocabularies(place: Workplace, vocabularies: Sequence[Encoding]) -> str:
    """Puts the vocabularies where every worker finds them; returns the file's digest."""
    path = _vocabulary_file(place)
    write_whole(path, pickle.dumps(list(vocabularies)))
    return file_digest(path)


def _vocabulary_file(place: Workplace) -> Path:
    return place.work / "vocabularies.pickle"


# ``lru_cache`` alone would let every thread that finds nothing load a copy of its own.
_LOADING = threading.Lock()


def _vocabularies(place: Workplace, digest: str) -> list[Encoding]:
    """What ``save_vocabularies`` saved, once a process."""
    with _LOADING:
        return _loaded(_vocabulary_file(place), digest)


# The digest tells one preparation's file from another's: a Dask worker sees many.
@functools.lru_cache(maxsize=1)
def _loaded(path: Path, digest: str) -> list[Encoding]:
    vocabularies: list[Encoding] = pickle.loads(path.read_bytes())
    for vocabulary in vocabularies:
        if isinstance(vocabulary, ListedVocabulary):
            vocabulary.make_table()
    return vocabularies


@dataclass(frozen=True)
class EncodedPart:
    """A part on disk, and those of its rows that are in the split's sample."""

    part: Part
    sample: Sample


def encode_part(job: PartJob) -> EncodedPart:
    """Makes a part, or finds that it is there already."""
    record = job.place.work / f"{job.split}-{job.number:05d}.json"
    done = _read_record(record, job.place.dataset)
    if done is None:
        table = _encoded(job.pieces, _vocabularies(job.place, job.vocabularies))
        done = write_part(job.place.dataset, job.split, job.number, table)
        write_whole(record, json.dumps(asdict(done)).encode())
    else:
        table = pq.ParquetFile(job.place.dataset / done.file).read()
    return EncodedPart(done, take_sample(table, job.sampled, job.pieces[0].chunk.labels))


def _read_record(record: Path, dataset: Path) -> Part | None:
    """The part that an earlier run recorded, if its file is what the record says."""
    try:
        part = Part(**json.loads(record.read_text()))
        return part if file_digest(dataset / part.file) == part.digest else None
    except (OSError, ValueError, TypeError):
        return None


def _encoded(pieces: Sequence[Piece], encodings: Sequence[Encoding]) -> pa.Table:
    """The ids of each field, then the labels. One chunk at a time is in memory."""
    fields = pieces[0].chunk.fields
    labels = pieces[0].chunk.labels
    schema = part_schema([(field.name, field.kind) for field in fields], labels)
    rows = sum(piece.stop - piece.start for piece in pieces)
    columns = [_Column(kind, rows) for kind in schema.types]
    for piece in pieces:
        batch = read_spilled(piece.chunk.path).slice(piece.start, piece.stop - piece.start)
        for index, (field, encoding) in enumerate(zip(piece.chunk.fields, encodings, strict=True)):
            codes, values = _used(batch.column(index))
            columns[index].append(encoding.encode(field, values), codes)
        for column, label in zip(columns[len(fields) :], labels, strict=True):
            column.append(np.array([0.0, 1.0], np.float32), batch.column(label).to_numpy())
    return pa.Table.from_arrays([column.array() for column in columns], schema=schema)


class _Column:
    """A part's column on the make. Rows with one value each go to where they stay."""

    def __init__(self, kind: pa.DataType, rows: int) -> None:
        is_list = pa.types.is_list(kind)
        self._flat = np.empty(
            0 if is_list else rows, np.int32 if is_list else kind.to_pandas_dtype()
        )
        self._lists: list[Ragged] = []
        self._filled = 0

    def append(self, values: np.ndarray | Ragged, codes: np.ndarray) -> None:
        """The values that ``codes`` stand for."""
        if isinstance(values, Ragged):
            self._lists.append(values.take(codes))
            return
        end = self._filled + len(codes)
        # No code is out of range. In the mode "raise" numpy writes aside first.
        np.take(values, codes, out=self._flat[self._filled : end], mode="clip")
        self._filled = end

    def array(self) -> pa.Array:
        """The whole column."""
        if not self._lists:
            return pa.array(self._flat)
        lists = concatenate_ragged(self._lists)
        return pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), pa.array(lists.values))


def _used(column: pa.DictionaryArray) -> tuple[np.ndarray, pa.StringArray]:
    """Codes and values; without values that no code stands for, where there may be many."""
    codes, values = column.indices.to_numpy(), column.dictionary
    if len(values) <= len(codes):
        return codes, values
    used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
    new_codes = np.empty(len(values), dtype=np.intp)
    new_codes[used] = np.arange(len(used))
    return new_codes[codes], values.take(pa.array(used))
