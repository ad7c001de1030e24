"""Checks a dataset directory against its manifest, and the manifest against the spec."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE, DenseField, Field, Manifest, Part, read_manifest
from pipeline.data.parts import read_part
from pipeline.data.preparation.identity import spec_digest
from pipeline.data.sources.files import NoMatchError
from pipeline.data.sources.opening import source_files
from pipeline.data.whole_files import file_digest
from pipeline.spec import Spec


def find_faults(spec: Spec) -> list[str]:
    """One line for each thing that is wrong with the spec's dataset; none when it is sound.

    Every file's digest, rows and ids are compared with the manifest, and so are the sources where
    they still are.

    Raises:
        InputError: when there is no manifest that can be read.
    """
    directory = spec.dataset_directory
    manifest = read_manifest(directory)
    faults: list[str] = []
    if manifest.spec_digest != spec_digest(spec):
        faults.append(f"{directory}: prepared with other settings than the spec's")
    faults += _extra_files(directory, manifest)
    for name, digest in manifest.overview.items():
        faults += _file_faults(directory / name, digest)
    for field, file in zip(manifest.fields, manifest.vocabularies, strict=True):
        faults += _vocabulary_faults(directory, file, field.cardinality)
    for name in manifest.splits:
        faults += _split_faults(directory, manifest, name)
    return faults + list(_source_faults(spec, manifest))


def absent_sources(spec: Spec) -> list[str]:
    """The sources that cannot be compared, because they are no longer there.

    Where a glob stands for no file any more, it cannot be told which of the others is which.
    """
    try:
        given = source_files(spec.data)
    except NoMatchError as error:
        return [f"{error.location}, so no source is compared"]
    return [one.file.location for one in given if not one.file.exists()]


def _extra_files(directory: Path, manifest: Manifest) -> list[str]:
    known = {MANIFEST_FILE, *manifest.file_digests}
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    return [f"{directory / file}: not in the manifest" for file in sorted(found - known)]


def _vocabulary_faults(directory: Path, file: Part, cardinality: int) -> Iterator[str]:
    path = directory / file.file
    faults = list(_file_faults(path, file.digest))
    yield from faults
    if faults:
        return
    rows = pq.read_metadata(path).num_rows
    if not rows == file.rows == cardinality:
        yield f"{path}: {rows:,} rows, the manifest says {file.rows:,} and {cardinality:,} ids"


def _file_faults(path: Path, digest: str) -> Iterator[str]:
    if not path.is_file():
        yield f"{path}: missing"
    elif file_digest(path) != digest:
        yield f"{path}: its digest is not the manifest's"


def _split_faults(directory: Path, manifest: Manifest, name: str) -> Iterator[str]:
    split = manifest.splits[name]
    rows, positives, broken = 0, dict.fromkeys(manifest.labels, 0), False
    fields: list[Field | DenseField] = [*manifest.fields, *manifest.dense]
    for part in split.parts:
        try:
            table = read_part(directory, part, fields, manifest.labels, check=True)
        except (InputError, pa.ArrowException, OSError) as error:
            yield str(error)
            broken = True
            continue
        rows += table.num_rows
        for label in manifest.labels:
            positives[label] += int(pc.sum(table[label]).as_py() or 0)
    if not broken and (rows, positives) != (split.rows, split.positives):
        yield (
            f"{directory / name}: {rows:,} rows with {_counts(positives)} positive, the manifest "
            f"says {split.rows:,} with {_counts(split.positives)}"
        )


def _counts(positives: dict[str, int]) -> str:
    """The counts, with the labels' names where there are several."""
    if len(positives) == 1:
        return f"{next(iter(positives.values())):,}"
    return ", ".join(f"{count:,} {label}" for label, count in positives.items())


def _source_faults(spec: Spec, manifest: Manifest) -> Iterator[str]:
    try:
        given = source_files(spec.data)
    except NoMatchError:
        return
    if len(given) != len(manifest.sources):
        yield f"data.source: {len(given)} files, the manifest says {len(manifest.sources)}"
        return
    if [one.split for one in given] != [source["split"] for source in manifest.sources]:
        yield (
            "data.splits: the files are of other splits than those that the dataset was prepared "
            "from"
        )
    for file, source in zip([one.file for one in given], manifest.sources, strict=True):
        if file.exists() and file.digest() != source["sha256"]:
            yield f"{file}: changed since the dataset was prepared from it"
