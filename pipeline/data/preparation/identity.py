"""What a dataset is made from: its spec's digest, and how its sources can be told from others."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.fields.schemas import resolve_fields, resolve_labels
from pipeline.data.manifest import SCHEMA_VERSION, read_manifest
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.opening import SplitSource
from pipeline.spec import Spec
from pipeline.spec_data import DataSpec, FieldSpec

# Raised when the same rows and spec lead to other bytes than before.
PREPARATION_VERSION = 6


def spec_digest(spec: Spec) -> str:
    """A SHA-256 of what shapes the dataset.

    Engines, threads and paths do not. Nor does ``bad_rows``: it decides whether there is a dataset,
    and ``unchanged`` refuses one with skipped rows to a spec that forbids them.
    """
    data, prepare = spec.data, spec.prepare
    shapes_split = set() if data.splits or data.split else {"ratios", "seed"}
    shapes_rows = {"minimum_count", "vocabulary", "part_rows"}
    values = {
        "version": [SCHEMA_VERSION, PREPARATION_VERSION],
        "format": data.format,
        "labels": resolve_labels(data),
        "fields": list(map(_field_identity, resolve_fields(data))),
        "generator": _generator_identity(data),
        "prepare": prepare.model_dump(mode="json", include=shapes_rows | shapes_split),
        "given splits": data.splits is not None,
        "vocabulary from": _frozen_digest(data),
        "split": data.split.model_dump(mode="json") if data.split else None,
    }
    return _digest(values)


def _generator_identity(data: DataSpec) -> dict[str, Any] | None:
    """The generator's settings; what it is not asked for does not count."""
    return data.generator.model_dump(mode="json", exclude_none=True) if data.generator else None


def _field_identity(field: FieldSpec) -> dict[str, Any]:
    """A field's settings, with its vocabulary file's content in place of the path."""
    values = field.model_dump(mode="json")
    if field.vocabulary_file:
        values["vocabulary_file"] = SourceFile(field.vocabulary_file).digest()
    return values


def _frozen_digest(data: DataSpec) -> str:
    """Of the dataset whose vocabularies are used, if there is one."""
    return read_manifest(Path(data.vocabulary_from)).digest if data.vocabulary_from else ""


def work_identity(
    spec: Spec, made_from: str, sources: Sequence[SplitSource], block_bytes: int, batch_rows: int
) -> str:
    """Equal for runs that may take up each other's chunks and parts.

    ``made_from`` is the spec's digest, from before the log was read.

    Sources are told apart by name, size and time of change: their digests are known only when all
    of them are read. A pipe's content cannot be told, so its run takes up nothing.
    """
    versions = [source.version for source in sources]
    unknown = uuid.uuid4().hex if None in versions else ""
    values = {
        "spec": made_from,
        "bad_rows": spec.data.bad_rows,
        "blocks": [block_bytes, batch_rows],
        "sources": [[source.source.path.location, source.split] for source in sources],
        "versions": versions,
        "unknown": unknown,
        "pyarrow": pa.__version__,
    }
    return _digest(values)


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
