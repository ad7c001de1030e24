"""Which directories a dataset may take the place of."""

import json
import re
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE, SPLITS, VOCABULARY_FOLDER
from pipeline.data.overview.files import DATA_FILE, PAGE_FILE

_FILES = "|".join(map(re.escape, (MANIFEST_FILE, PAGE_FILE, DATA_FILE)))
_OF_A_DATASET = re.compile(
    rf"{_FILES}|{VOCABULARY_FOLDER}/[^/]+\.parquet|({'|'.join(SPLITS)})/part-[^/]+\.parquet"
)
# Those that a manifest of every schema version has.
_MANIFEST_KEYS = {"schema_version", "fields", "splits", "sources", "spec_digest"}


def place_of(directory: Path) -> Path:
    """Where a dataset directory stands, for every process and whatever its working directory.

    A link is followed, for the dataset goes to where it points; links above it stay, for they may
    be this machine's own way to a path that others have too.
    """
    return directory.resolve() if directory.is_symlink() else directory.absolute()


def check_apart(directory: Path, vocabulary_from: str) -> None:
    """Refuses to take vocabularies from the dataset that the new one takes the place of.

    Args:
        directory: where the new dataset goes.
        vocabulary_from: the dataset directory that the spec names, or nothing.

    Raises:
        InputError: when both are the same directory, however they are written.
    """
    if vocabulary_from and Path(vocabulary_from).resolve() == directory.resolve():
        raise InputError(
            f"data.vocabulary_from: {vocabulary_from} is where the new dataset goes, which would "
            "take its place; set data.directory to another path"
        )


def check_replaceable(directory: Path) -> None:
    """Refuses a path at which something stands that is neither a dataset nor an empty directory.

    Whatever stands there is gone once the new dataset is in place, so nothing but a dataset's own
    files may.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise InputError(f"{directory}: a file, the prepared dataset cannot go there")
    if place_of(directory).is_mount():
        raise InputError(
            f"{directory}: a mount point, which no dataset can take the place of; set "
            f"data.directory to a path in it, such as {directory}/dataset"
        )
    if not any(directory.iterdir()):
        return
    if not _is_manifest(directory / MANIFEST_FILE):
        raise InputError(
            f"{directory}: not empty and no dataset ({MANIFEST_FILE} is missing or not a "
            "dataset's), so it is left alone; set data.directory to another path"
        )
    if foreign := _foreign(directory):
        raise InputError(
            f"{directory}: holds {foreign}, which no dataset has, so it is left alone; set "
            "data.directory to a path of its own"
        )


def _is_manifest(path: Path) -> bool:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.keys() >= _MANIFEST_KEYS


def _foreign(directory: Path) -> str | None:
    """The first file that prepare does not write."""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not _OF_A_DATASET.fullmatch(name) and (path.is_symlink() or not path.is_dir()):
            return name
    return None
