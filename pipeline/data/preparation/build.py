"""Prepares a log: raw files become a dataset directory, in two passes over chunks.

The first pass reads the source, codes every column and counts; vocabularies follow from the
counts; the second pass turns codes into ids and writes parts. Memory holds every distinct token
that is counted, every distinct number of a field with quantile bins, and a few chunks a worker. The
output depends on the rows and the spec alone, not on the engine, the threads, the chunks or how
often a run was killed on the way (see ``workplace.py``).
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pipeline.console import InputError, progress
from pipeline.data.fields.counts import Counts
from pipeline.data.fields.dataset_vocabulary import vocabulary_path
from pipeline.data.fields.frozen import FrozenEncodings, open_frozen
from pipeline.data.fields.schemas import resolve_fields, resolve_labels
from pipeline.data.fields.standardization import Standardization
from pipeline.data.fields.token_ids import Vocabulary
from pipeline.data.fields.vocabulary import LearntField, learn_encoding, learnt_field
from pipeline.data.fields.vocabulary_file import read_tokens
from pipeline.data.manifest import (
    SPLITS,
    VOCABULARY_FOLDER,
    DenseField,
    Field,
    Manifest,
    Part,
    Split,
)
from pipeline.data.overview.files import look_at, write_overview
from pipeline.data.overview.sample import Sample, concatenate_samples
from pipeline.data.preparation.encoding import encode_part, plan_parts, save_vocabularies
from pipeline.data.preparation.engines import Engine, open_engine
from pipeline.data.preparation.first_pass import read_sources
from pipeline.data.preparation.identity import spec_digest, work_identity
from pipeline.data.preparation.publication import check_apart
from pipeline.data.preparation.spill import SpilledChunk, Tally
from pipeline.data.preparation.workplace import Workplace, workplace
from pipeline.data.sources.opening import BATCH_ROWS, BLOCK_BYTES, SplitSource, open_sources
from pipeline.data.threads import thread_count
from pipeline.data.token_table import TooMuchTextError
from pipeline.data.whole_files import file_digest
from pipeline.spec import PrepareSpec, Spec
from pipeline.spec_data import DataSpec, FieldSpec

Oracle = dict[str, dict[str, float]]


def build(
    spec: Spec, oracle: Oracle, block_bytes: int = BLOCK_BYTES, batch_rows: int = BATCH_ROWS
) -> Manifest:
    """Makes the dataset directory anew, from where a killed run with the same spec left off.

    Args:
        spec: the experiment.
        oracle: for the manifest.
        block_bytes: about the size of a block of a text source.
        batch_rows: rows of a block of a Parquet source.

    Raises:
        InputError: for sources that cannot be read, directories that cannot be replaced, a full
            disk, and a cluster that cannot be reached.
    """
    check_apart(spec.dataset_directory, spec.data.vocabulary_from)
    fields = resolve_fields(spec.data)
    frozen = _given_encodings(fields, spec.data)
    # Before anything of the log is read, so that a change after it does not go unseen.
    made_from = spec_digest(spec)
    sources = open_sources(spec.data, block_bytes, batch_rows, spec.prepare.threads)
    identity = work_identity(spec, made_from, sources, block_bytes, batch_rows)
    with (
        workplace(spec.dataset_directory, identity) as place,
        open_engine(spec.prepare) as engine,
    ):
        read = read_sources(spec.prepare, sources, place, engine)
        _check_rows(sources, read.chunks)
        learnt = _learn(fields, frozen, read.tally, spec.prepare, place)
        _check_vocabularies_stayed(spec, made_from)
        listed = [(one, one.encoding) for one in learnt if isinstance(one.encoding, Vocabulary)]
        splits, samples = _encode(spec.prepare.part_rows, read.chunks, learnt, place, engine)
        manifest = Manifest(
            fields=tuple(_manifest_field(one, ids) for one, ids in listed),
            labels=resolve_labels(spec.data),
            splits=splits,
            vocabularies=tuple(_vocabulary_record(one.field, ids, place) for one, ids in listed),
            sources=read.sources,
            spec_digest=made_from,
            vocabulary="frozen" if spec.data.vocabulary_from else spec.prepare.vocabulary,
            rows_read=sum(chunk.rows_read for chunk in read.chunks),
            rows_skipped=_skipped(read.chunks),
            oracle=oracle,
            dense=tuple(
                DenseField(one.field.name, one.encoding.mean, one.encoding.deviation)
                for one in learnt
                if isinstance(one.encoding, Standardization)
            ),
        )
        _check_conservation(manifest)
        overview = look_at(learnt, manifest, samples, spec.prepare)
        manifest = replace(manifest, overview=write_overview(place.dataset, overview))
        manifest.write(place.dataset)
    return manifest


def _given_encodings(fields: Sequence[FieldSpec], data: DataSpec) -> FrozenEncodings | None:
    """Those of another dataset. What is wrong with any that is given is said before a log is read.

    Raises:
        InputError: when the other dataset, or a vocabulary file, cannot be used.
    """
    if data.vocabulary_from:
        return open_frozen(Path(data.vocabulary_from), fields)
    for field in fields:
        if field.vocabulary_file:
            read_tokens(field, Path(field.vocabulary_file))
    return None


def _check_vocabularies_stayed(spec: Spec, made_from: str) -> None:
    """Holds that the spec, with the digests of what it names, is as it was before the log was read.

    Raises:
        InputError: it is not.
    """
    if spec_digest(spec) != made_from:
        raise InputError(
            "data: a vocabulary_file, or the dataset of vocabulary_from, was replaced during this "
            "run; start again"
        )


def _learn(
    fields: Sequence[FieldSpec],
    frozen: FrozenEncodings | None,
    tally: Tally,
    settings: PrepareSpec,
    place: Workplace,
) -> list[LearntField]:
    """Settles every field's encoding, and writes the vocabularies."""
    (place.dataset / VOCABULARY_FOLDER).mkdir(exist_ok=True)

    def learn(index: int) -> LearntField:
        field, counted = fields[index], _counted(fields[index], tally, index)
        if frozen:
            encoding = frozen.encoding(field, counted)
        else:
            encoding = learn_encoding(field, counted, settings.minimum_count)
        if isinstance(encoding, Vocabulary):
            encoding.write(vocabulary_path(place.dataset, field.name))
        return learnt_field(field, encoding, counted)

    # The counts are in this process, so its threads work on them whatever the engine.
    with ThreadPoolExecutor(thread_count(settings.threads)) as pool:
        return list(pool.map(learn, range(len(fields))))


def _counted(field: FieldSpec, tally: Tally, index: int) -> Counts:
    try:
        return tally.total(index)
    except TooMuchTextError as error:
        if field.kind == "numeric":
            advice = 'set its binning = "log", or its kind = "dense"'
        else:
            advice = 'set its encoding = "hash" and hash_rows'
        raise InputError(
            f"field {field.name!r}: {error}, too many to learn a vocabulary from; {advice}"
        ) from None


def _encode(
    part_rows: int,
    chunks: Sequence[SpilledChunk],
    learnt: Sequence[LearntField],
    place: Workplace,
    engine: Engine,
) -> tuple[dict[str, Split], dict[str, Sample]]:
    """The second pass: the splits, and samples of those that have rows."""
    saved = save_vocabularies(place, [one.encoding for one in learnt])
    jobs = plan_parts(chunks, part_rows, place, saved)
    parts: dict[str, list[Part]] = {name: [] for name in SPLITS}
    samples: dict[str, list[Sample]] = {name: [] for name in SPLITS}
    with progress("encode", sum(chunk.rows for chunk in chunks), "rows") as advance:
        written = engine.ordered_map(encode_part, jobs, engine.slots)
        for job, encoded in zip(jobs, written, strict=True):
            parts[job.split].append(encoded.part)
            samples[job.split].append(encoded.sample)
            advance(encoded.part.rows)
    splits = {
        name: Split(
            rows=sum(part.rows for part in parts[name]),
            positives={
                label: sum(chunk.split_positives[label][index] for chunk in chunks)
                for label in chunks[0].labels
            },
            parts=tuple(parts[name]),
        )
        for index, name in enumerate(SPLITS)
    }
    return splits, {name: concatenate_samples(of) for name, of in samples.items() if of}


def _manifest_field(learnt: LearntField, vocabulary: Vocabulary) -> Field:
    field = learnt.field
    pooling = field.pooling if field.kind == "multi_valued" else "sum"
    assert field.kind != "dense"
    return Field(
        field.name, field.kind, vocabulary.cardinality, pooling, field.recipe, learnt.distinct
    )


def _vocabulary_record(field: FieldSpec, vocabulary: Vocabulary, place: Workplace) -> Part:
    path = vocabulary_path(place.dataset, field.name)
    file = path.relative_to(place.dataset).as_posix()
    return Part(file, vocabulary.cardinality, file_digest(path))


def _skipped(chunks: Sequence[SpilledChunk]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for chunk in chunks:
        counts.update(chunk.skipped)
    return dict(sorted(counts.items()))


def _check_rows(sources: Sequence[SplitSource], chunks: Sequence[SpilledChunk]) -> None:
    """There is something to train on, and to learn vocabularies from."""
    path = sources[0].source.path
    if not any(chunk.rows for chunk in chunks):
        skipped = sum(_skipped(chunks).values())
        reason = f"all of the {skipped:,} rows were skipped as bad" if skipped else "no rows"
        raise InputError(f"{path}: {reason}; check data.source and data.format")
    if not any(chunk.split_rows[SPLITS.index("train")] for chunk in chunks):
        raise InputError(f"{path}: no row is in the train split; give more rows or another split")


def _check_conservation(manifest: Manifest) -> None:
    """Every row read is written or counted as skipped."""
    written = sum(split.rows for split in manifest.splits.values())
    skipped = sum(manifest.rows_skipped.values())
    if manifest.rows_read != written + skipped:
        raise RuntimeError(
            f"{manifest.rows_read} rows were read, {written} written and {skipped} skipped"
        )
