"""Prepares a log: raw files become a dataset directory, in two passes over chunks.

The first pass reads the source once, codes every column and counts; vocabularies follow from the
counts; the second pass turns codes into ids and writes parts. Memory holds the vocabularies and a
few chunks a thread. The output depends on the rows and the spec alone, not on threads or chunks.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.console import InputError, progress
from pipeline.data.fields.schemas import resolve_fields
from pipeline.data.fields.vocabulary import Counts, Vocabulary, learn_vocabulary
from pipeline.data.manifest import SPLITS, Field, Manifest, Split
from pipeline.data.preparation.encoding import PartWriter, encode_chunk
from pipeline.data.preparation.parallel import ordered_map, thread_pool
from pipeline.data.preparation.publication import building
from pipeline.data.preparation.spill import SpilledChunk, Tally, spill_chunk
from pipeline.data.preparation.unchanged import spec_digest, unchanged
from pipeline.data.sources.opening import BATCH_ROWS, BLOCK_BYTES, SplitSource, open_sources
from pipeline.spec import Spec
from pipeline.spec_data import FieldSpec

Oracle = dict[str, dict[str, float]]


def prepare(spec: Spec, oracle: Oracle | None = None) -> Manifest:
    """The spec's dataset: the one that stands if it is unchanged, or a new one.

    Args:
        spec: the experiment.
        oracle: AUC and logloss of the true probabilities by split, where they are known.

    Raises:
        InputError: for sources that cannot be read and directories that cannot be replaced.
    """
    return unchanged(spec) or build(spec, oracle or {})


def build(
    spec: Spec, oracle: Oracle, block_bytes: int = BLOCK_BYTES, batch_rows: int = BATCH_ROWS
) -> Manifest:
    """Makes the dataset directory anew.

    Args:
        spec: the experiment.
        oracle: for the manifest.
        block_bytes: about the size of a block of a text source.
        batch_rows: rows of a block of a Parquet source.

    Raises:
        InputError: for sources that cannot be read and directories that cannot be replaced.
    """
    sources = open_sources(spec.data, block_bytes, batch_rows)
    threads = spec.prepare.threads or os.cpu_count() or 1
    with building(spec.dataset_directory) as place, thread_pool(threads) as pool:
        workers = _Workers(pool, threads + 2)
        chunks, tally = _spill(spec, sources, place.work, workers)
        _check_rows(sources, chunks)
        fields = resolve_fields(spec.data)
        vocabularies = _learn(fields, tally, spec.prepare.minimum_count, place.dataset, workers)
        splits = _encode(spec, chunks, vocabularies, place.dataset, workers)
        manifest = Manifest(
            fields=tuple(map(_manifest_field, fields, vocabularies)),
            splits=splits,
            sources=tuple(_source_record(source) for source in sources),
            spec_digest=spec_digest(spec),
            vocabulary=spec.prepare.vocabulary,
            rows_read=sum(chunk.rows_read for chunk in chunks),
            rows_skipped=_skipped(chunks),
            oracle=oracle,
        )
        _check_conservation(sources, manifest)
        manifest.write(place.dataset)
    return manifest


@dataclass(frozen=True)
class _Workers:
    """Threads, and how many items may be in flight among them."""

    pool: ThreadPoolExecutor
    ahead: int


@dataclass(frozen=True)
class _Item:
    """A block on its way to its chunk."""

    number: int
    source: SplitSource
    block: Any


def _items(sources: Sequence[SplitSource]) -> Iterator[_Item]:
    number = 0
    for source in sources:
        for block in source.source.blocks():
            yield _Item(number, source, block)
            number += 1


def _spill(
    spec: Spec, sources: Sequence[SplitSource], work: Path, workers: _Workers
) -> tuple[list[SpilledChunk], Tally]:
    """The first pass."""

    def spill(item: _Item) -> tuple[SpilledChunk, list[Counts]]:
        source = item.source.source
        path = work / f"chunk-{item.number:06d}.arrow"
        chunk = source.parse(item.block)
        return spill_chunk(chunk, path, source.fields, item.source.split, spec.prepare)

    tally = Tally(len(resolve_fields(spec.data)))
    chunks: list[SpilledChunk] = []
    total, done = sum(source.source.size for source in sources), 0
    with progress("read", total, "bytes") as advance:
        for chunk, counts in ordered_map(workers.pool, spill, _items(sources), workers.ahead):
            chunks.append(chunk)
            tally.add(counts)
            read = sum(source.source.bytes_done for source in sources)
            if read > done:
                advance(read - done)
            done = read
    return chunks, tally


def _learn(
    fields: Sequence[FieldSpec],
    tally: Tally,
    minimum_count: int,
    dataset: Path,
    workers: _Workers,
) -> list[Vocabulary]:
    """Settles and writes every field's vocabulary."""
    folder = dataset / "vocabulary"
    folder.mkdir()

    def learn(index: int) -> Vocabulary:
        field = fields[index]
        vocabulary = learn_vocabulary(field, tally.merged(index), minimum_count)
        vocabulary.write(folder / f"{field.name}.parquet")
        return vocabulary

    return list(workers.pool.map(learn, range(len(fields))))


def _encode(
    spec: Spec,
    chunks: Sequence[SpilledChunk],
    vocabularies: Sequence[Vocabulary],
    dataset: Path,
    workers: _Workers,
) -> dict[str, Split]:
    """The second pass."""
    part_rows = spec.prepare.part_rows
    writers = [PartWriter(dataset, name, part_rows, workers.pool, workers.ahead) for name in SPLITS]

    def encode(chunk: SpilledChunk) -> tuple[SpilledChunk, list[Any]]:
        return chunk, encode_chunk(chunk, vocabularies)

    with progress("encode", sum(chunk.rows for chunk in chunks), "rows") as advance:
        for chunk, tables in ordered_map(workers.pool, encode, chunks, workers.ahead):
            for writer, table in zip(writers, tables, strict=True):
                writer.add(table)
            advance(chunk.rows)
    return {name: writer.finish() for name, writer in zip(SPLITS, writers, strict=True)}


def _manifest_field(field: FieldSpec, vocabulary: Vocabulary) -> Field:
    pooling = field.pooling if field.kind == "multi_valued" else "sum"
    return Field(field.name, field.kind, vocabulary.cardinality, pooling)


def _source_record(source: SplitSource) -> dict[str, Any]:
    """Without its folder, so that the same file elsewhere makes the same dataset."""
    file = source.source
    return {
        "file": file.path.name,
        "split": source.split,
        "bytes": file.size,
        "sha256": file.digest,
    }


def _skipped(chunks: Sequence[SpilledChunk]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for chunk in chunks:
        counts.update(chunk.skipped)
    return dict(sorted(counts.items()))


def _check_rows(sources: Sequence[SplitSource], chunks: Sequence[SpilledChunk]) -> None:
    if any(chunk.rows for chunk in chunks):
        return
    skipped = sum(sum(chunk.skipped.values()) for chunk in chunks)
    reason = f"all of the {skipped:,} rows were skipped as bad" if skipped else "no rows"
    raise InputError(f"{sources[0].source.path}: {reason}; check data.source and data.format")


def _check_conservation(sources: Sequence[SplitSource], manifest: Manifest) -> None:
    """Every row read is written or counted as skipped, and there is something to train on."""
    written = sum(split.rows for split in manifest.splits.values())
    skipped = sum(manifest.rows_skipped.values())
    if manifest.rows_read != written + skipped:
        raise RuntimeError(
            f"{manifest.rows_read} rows were read, {written} written and {skipped} skipped"
        )
    if not manifest.splits["train"].rows:
        raise InputError(
            f"{sources[0].source.path}: no row is in the train split; give more rows or other "
            "prepare.ratios"
        )
