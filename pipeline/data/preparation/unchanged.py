"""Whether a dataset directory is already what a spec asks for."""

from pathlib import Path

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE, Manifest, read_manifest
from pipeline.data.preparation.identity import spec_digest
from pipeline.data.preparation.publication import check_apart, check_replaceable
from pipeline.data.preparation.workplace import clear, recover
from pipeline.data.sources.opening import source_files
from pipeline.data.whole_files import file_digest
from pipeline.spec import Spec


def unchanged(spec: Spec) -> Manifest | None:
    """The manifest of the spec's dataset when it and its sources are the bytes that it names.

    Raises:
        InputError: when something else stands where the dataset goes, or when its vocabularies
            are to come from there.
    """
    directory = spec.dataset_directory
    check_apart(directory, spec.data.vocabulary_from)
    recover(directory)
    manifest = _standing(spec)
    if manifest is None:
        check_replaceable(directory)
        return None
    # Left by a run that was killed after its dataset was in place.
    clear(directory)
    return manifest


def _standing(spec: Spec) -> Manifest | None:
    directory = spec.dataset_directory
    if not (directory / MANIFEST_FILE).is_file():
        return None
    try:
        manifest = read_manifest(directory)
    except InputError:
        return None
    if manifest.spec_digest != spec_digest(spec):
        return None
    if manifest.rows_skipped and spec.data.bad_rows == "fail":
        return None
    is_the_same = _has_the_sources(spec, manifest) and _is_whole(directory, manifest)
    return manifest if is_the_same else None


def _is_whole(directory: Path, manifest: Manifest) -> bool:
    """Whether every file is as it was prepared: a damaged one is mended by preparing again."""
    files = {directory / name: digest for name, digest in manifest.file_digests.items()}
    if not all(path.is_file() for path in files):
        return False
    return all(file_digest(path) == digest for path, digest in files.items())


def _has_the_sources(spec: Spec, manifest: Manifest) -> bool:
    """Whether the spec's sources are those that the dataset was prepared from."""
    given = source_files(spec.data)
    if [one.split for one in given] != [source["split"] for source in manifest.sources]:
        return False
    files = [one.file for one in given]
    # To look into a pipe would take away what prepare is to read.
    if not all(file.exists() and file.lasts for file in files):
        return False
    if [file.size() for file in files] != [source["bytes"] for source in manifest.sources]:
        return False
    return [file.digest() for file in files] == [source["sha256"] for source in manifest.sources]
