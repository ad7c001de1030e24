"""Whether a dataset directory is already what a spec asks for."""

import hashlib
import json

from pipeline.console import InputError
from pipeline.data.fields.schemas import label_column, resolve_fields
from pipeline.data.manifest import MANIFEST_FILE, SCHEMA_VERSION, Manifest, read_manifest
from pipeline.data.preparation.publication import check_replaceable, restore
from pipeline.data.sources.opening import source_files
from pipeline.spec import Spec

# Raised when the same rows and spec lead to other bytes than before.
PREPARATION_VERSION = 1


def spec_digest(spec: Spec) -> str:
    """A SHA-256 of what shapes the dataset.

    Threads and paths do not. Nor does ``bad_rows``: it decides whether there is a dataset, and
    ``unchanged`` refuses one with skipped rows to a spec that forbids them.
    """
    data, prepare = spec.data, spec.prepare
    shapes_split = set() if data.splits else {"ratios", "seed"}
    shapes_rows = {"minimum_count", "vocabulary", "part_rows"}
    values = {
        "version": [SCHEMA_VERSION, PREPARATION_VERSION],
        "format": data.format,
        "label": label_column(data),
        "fields": [field.model_dump(mode="json") for field in resolve_fields(data)],
        "generator": data.generator.model_dump(mode="json") if data.generator else None,
        "prepare": prepare.model_dump(mode="json", include=shapes_rows | shapes_split),
        "given splits": data.splits is not None,
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def unchanged(spec: Spec) -> Manifest | None:
    """The manifest of the spec's dataset when it stands and its sources are the same bytes.

    Raises:
        InputError: when something else stands where the dataset goes.
    """
    directory = spec.dataset_directory
    check_replaceable(directory)
    restore(directory)
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
    files = [given.file for given in source_files(spec.data)]
    if not all(file.exists() for file in files):
        return None
    if [file.size() for file in files] != [source["bytes"] for source in manifest.sources]:
        return None
    digests = [source["sha256"] for source in manifest.sources]
    return manifest if [file.digest() for file in files] == digests else None
