"""Whether a dataset directory is already what a spec asks for."""

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE, Manifest, read_manifest
from pipeline.data.preparation.identity import spec_digest
from pipeline.data.preparation.publication import check_replaceable
from pipeline.data.preparation.workplace import clear, recover
from pipeline.data.sources.opening import source_files
from pipeline.spec import Spec


def unchanged(spec: Spec) -> Manifest | None:
    """The manifest of the spec's dataset when it stands and its sources are the same bytes.

    Raises:
        InputError: when something else stands where the dataset goes.
    """
    directory = spec.dataset_directory
    check_replaceable(directory)
    recover(directory)
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
    if not all((directory / name).is_file() for name in manifest.overview):
        return None
    given = source_files(spec.data)
    if [one.split for one in given] != [source["split"] for source in manifest.sources]:
        return None
    files = [one.file for one in given]
    if not all(file.exists() for file in files):
        return None
    if [file.size() for file in files] != [source["bytes"] for source in manifest.sources]:
        return None
    digests = [source["sha256"] for source in manifest.sources]
    if [file.digest() for file in files] != digests:
        return None
    # Left by a run that was killed after its dataset was in place.
    clear(directory)
    return manifest
