"""The manifest of a dataset directory: the contract between prepare and every later stage.

A dataset directory is whole when its ``manifest.json`` is there, which is why it is written last:

    manifest.json                 this file
    overview.html, overview.json  what the fields hold, and what would hurt a model
    vocabulary/<field>.parquet    columns token (string; null where an id has none of its own, as
                                  the out-of-vocabulary row), id (int32), count (int64)
    train|valid|test/part-*.parquet   an int32 column a field (list<int32> for a multi-valued one),
                                  float32 for a dense one, then a float32 column a label

Id 0 is a field's out-of-vocabulary row, but where a field's ids are the source's own. A missing
value is the token ``""``; in a dense field it is 0, the mean.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.console import InputError

SCHEMA_VERSION = 5
MANIFEST_FILE = "manifest.json"
VOCABULARY_FOLDER = "vocabulary"
SPLITS = ("train", "valid", "test")

# The end of a recipe by which ids are the source's own.
_GIVEN_IDS = re.compile(r" identity \d+$")

FieldKind = Literal["categorical", "numeric", "multi_valued"]


@dataclass(frozen=True)
class Field:
    """One field of the dataset.

    Attributes:
        name: also of its column and its vocabulary.
        kind: whether a row has one id or several.
        cardinality: its ids, out-of-vocabulary included.
        pooling: of several ids' embeddings.
        recipe: how values became ids, see ``FieldSpec.recipe``.
        distinct: see ``LearntField``.
    """

    name: str
    kind: FieldKind
    cardinality: int
    pooling: Literal["sum", "mean"] = "sum"
    recipe: str = ""
    distinct: int | None = None

    @property
    def unknown_id(self) -> int | None:
        """The out-of-vocabulary id; None where ids are the source's own, and 0 is one of them."""
        return None if _GIVEN_IDS.search(self.recipe) else 0


@dataclass(frozen=True)
class DenseField:
    """A float column: (number - ``mean``) / ``deviation``, both learnt on the train split."""

    name: str
    mean: float
    deviation: float
    kind: Literal["dense"] = "dense"


@dataclass(frozen=True)
class Part:
    """One Parquet file, relative to the dataset directory. ``digest`` is its SHA-256.

    A vocabulary's file has a row for each of its field's ids.
    """

    file: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Split:
    """One split: its rows, how many of them have 1 by label, and its parts in order."""

    rows: int
    positives: dict[str, int]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Manifest:
    """What a dataset directory holds and where it came from.

    Attributes:
        fields: in the model's order.
        labels: the columns of 0 and 1, the main one first.
        splits: train, valid and test.
        vocabularies: the fields' vocabulary files, in the fields' order.
        sources: each source file with its bytes and SHA-256.
        spec_digest: of the spec's ``data`` and ``prepare`` sections that shape the output.
        vocabulary: the rows that it was learnt on; ``frozen`` is that of another dataset.
        rows_read: rows of the sources, skipped ones included.
        rows_skipped: rows left out, by reason.
        oracle: AUC and logloss of the true probabilities by split; generated data only.
        dense: the float columns, in the model's order.
        overview: SHA-256 of each of the overview's files, by name.
    """

    fields: tuple[Field, ...]
    labels: tuple[str, ...]
    splits: dict[str, Split]
    vocabularies: tuple[Part, ...]
    sources: tuple[dict[str, Any], ...]
    spec_digest: str
    vocabulary: Literal["all", "train", "frozen"]
    rows_read: int
    rows_skipped: dict[str, int]
    oracle: dict[str, dict[str, float]]
    dense: tuple[DenseField, ...] = ()
    overview: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Identifies the dataset: equal digests, equal ids and rows.

        The overview follows from these, and may look different tomorrow.
        """
        values = asdict(replace(self, overview={}))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def file_digests(self) -> dict[str, str]:
        """The SHA-256 of every other file of the dataset directory, by its name there."""
        parts = [part for split in self.splits.values() for part in split.parts]
        written = {part.file: part.digest for part in [*parts, *self.vocabularies]}
        return {**self.overview, **written}

    def write(self, directory: Path) -> None:
        """Writes ``manifest.json`` into ``directory``."""
        values = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        (directory / MANIFEST_FILE).write_text(json.dumps(values, indent=1) + "\n")


def read_manifest(directory: Path) -> Manifest:
    """Reads and checks a dataset directory's manifest.

    Raises:
        InputError: when the directory is missing, incomplete or of another schema version.
    """
    path = directory / MANIFEST_FILE
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{directory}: not a whole dataset directory, {MANIFEST_FILE} is missing; "
            "run `python -m pipeline.prepare SPEC`"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _no_manifest(path, f"not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise _no_manifest(path, "not a dataset's manifest")
    version = values.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {version}, this program reads {SCHEMA_VERSION}; "
            "prepare the dataset again"
        )
    try:
        manifest = _from_values(values)
    except (KeyError, TypeError, AttributeError):
        raise _no_manifest(path, "not a dataset's manifest") from None
    _check_parts(directory, manifest)
    return manifest


def _no_manifest(path: Path, found: str) -> InputError:
    """Prepare leaves a directory alone that it cannot tell for a dataset."""
    return InputError(f"{path}: {found}; remove {path.parent} and prepare the dataset again")


def _from_values(values: dict[str, Any]) -> Manifest:
    splits = {
        name: Split(split["rows"], split["positives"], tuple(Part(**p) for p in split["parts"]))
        for name, split in values.pop("splits").items()
    }
    fields = tuple(Field(**one) for one in values.pop("fields"))
    dense = tuple(DenseField(**one) for one in values.pop("dense"))
    vocabularies = tuple(Part(**file) for file in values.pop("vocabularies"))
    labels = tuple(values.pop("labels"))
    sources = tuple(values.pop("sources"))
    return Manifest(
        fields=fields,
        labels=labels,
        splits=splits,
        vocabularies=vocabularies,
        sources=sources,
        dense=dense,
        **values,
    )


def _check_parts(directory: Path, manifest: Manifest) -> None:
    """Every part that the manifest names is there."""
    for split in manifest.splits.values():
        for part in split.parts:
            if not (directory / part.file).is_file():
                raise InputError(
                    f"{directory}: incomplete, {part.file} is missing; prepare the dataset again"
                )
