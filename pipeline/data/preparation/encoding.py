"""The second pass: the codes of spilled chunks become ids, and ids become parts.

A part's rows are known beforehand from the chunks' counts of rows. So each part is made by itself,
by any worker, and those that an earlier run finished are kept.
"""

import functools
import itertools
import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.fields.vocabulary import Encoding
from pipeline.data.manifest import LABEL, SPLITS, Part
from pipeline.data.overview.sample import Sample, sampled_positions, take_sample
from pipeline.data.parts import part_schema, write_part
from pipeline.data.preparation.spill import SpilledChunk, read_spilled
from pipeline.data.preparation.workplace import Workplace
from pipeline.data.ragged import Ragged, concatenate_ragged
from pipeline.data.whole_files import file_digest, write_whole
from pipeline.spec_data import FieldSpec

# Chunks whose values are looked up together. Arrow makes a vocabulary's hash table anew at every
# call, and each chunk is an open file.
_CHUNKS_TOGETHER = 8


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
            sampled = sampled_positions(rows, start, min(start + part_rows, rows))
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


# The digest tells one preparation's file from another's: a Dask worker sees many.
@functools.lru_cache(maxsize=1)
def _load_vocabularies(path: Path, digest: str) -> list[Encoding]:
    vocabularies: list[Encoding] = pickle.loads(path.read_bytes())
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
        vocabularies = _load_vocabularies(_vocabulary_file(job.place), job.vocabularies)
        table = _encoded(job.pieces, vocabularies)
        done = write_part(job.place.dataset, job.split, job.number, table)
        write_whole(record, json.dumps(asdict(done)).encode())
    else:
        table = pq.ParquetFile(job.place.dataset / done.file).read()
    return EncodedPart(done, take_sample(table, job.sampled))


def _read_record(record: Path, dataset: Path) -> Part | None:
    """The part that an earlier run recorded, if its file is what the record says."""
    try:
        part = Part(**json.loads(record.read_text()))
        return part if file_digest(dataset / part.file) == part.digest else None
    except (OSError, ValueError, TypeError):
        return None


def _encoded(pieces: Sequence[Piece], vocabularies: Sequence[Encoding]) -> pa.Table:
    fields = pieces[0].chunk.fields
    groups = [_encoded_group(group, vocabularies) for group in _groups(pieces)]
    columns = [_column(parts) for parts in zip(*groups, strict=True)]
    schema = part_schema([(field.name, field.kind) for field in fields])
    return pa.Table.from_arrays(columns, schema=schema)


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces to encode together. Sources may read a field in different ways."""
    for _, alike in itertools.groupby(pieces, key=lambda piece: piece.chunk.fields):
        remaining = list(alike)
        for first in range(0, len(remaining), _CHUNKS_TOGETHER):
            yield remaining[first : first + _CHUNKS_TOGETHER]


def _encoded_group(
    pieces: Sequence[Piece], vocabularies: Sequence[Encoding]
) -> list[np.ndarray | Ragged]:
    """The ids of each field, then the labels."""
    batches = [
        read_spilled(piece.chunk.path).slice(piece.start, piece.stop - piece.start)
        for piece in pieces
    ]
    columns: list[np.ndarray | Ragged] = [
        _ids([batch.column(index) for batch in batches], field, vocabularies[index])
        for index, field in enumerate(pieces[0].chunk.fields)
    ]
    labels = [batch.column(LABEL).to_numpy() for batch in batches]
    return [*columns, np.concatenate(labels).astype(np.float32)]


def _ids(
    columns: Sequence[pa.DictionaryArray], field: FieldSpec, vocabulary: Encoding
) -> np.ndarray | Ragged:
    """The ids of rows, from their codes and one lookup of all distinct values."""
    positions: list[np.ndarray] = []
    dictionaries: list[pa.StringArray] = []
    begin = 0
    for column in columns:
        codes, dictionary = column.indices.to_numpy(), column.dictionary
        if len(dictionary) > len(codes):
            codes, dictionary = _compacted(codes, dictionary)
        positions.append(codes.astype(np.intp) + begin)
        dictionaries.append(dictionary)
        begin += len(dictionary)
    ids = vocabulary.ids_of_values(field, pa.concat_arrays(dictionaries))
    return ids.take(positions[0] if len(positions) == 1 else np.concatenate(positions))


def _compacted(codes: np.ndarray, dictionary: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """The same values without those that no code stands for."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(dictionary)))
    new_codes = np.empty(len(dictionary), dtype=np.intp)
    new_codes[used] = np.arange(len(used))
    return new_codes[codes], dictionary.take(pa.array(used))


def _column(groups: Sequence[np.ndarray | Ragged]) -> pa.Array:
    flat = [group for group in groups if isinstance(group, np.ndarray)]
    if flat:
        return pa.array(flat[0] if len(flat) == 1 else np.concatenate(flat))
    ragged = concatenate_ragged([group for group in groups if isinstance(group, Ragged)])
    return pa.ListArray.from_arrays(pa.array(ragged.offsets, pa.int32()), pa.array(ragged.values))
