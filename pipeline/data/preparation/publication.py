"""Makes a directory whole or not at all: builds it aside, then renames it into place."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE


@dataclass(frozen=True)
class Building:
    """Where a dataset is built.

    Attributes:
        dataset: becomes the dataset directory.
        work: for files that are gone in the end.
    """

    dataset: Path
    work: Path


@contextmanager
def building(directory: Path) -> Iterator[Building]:
    """Gives a place to build in, and puts its result at ``directory`` when the body succeeds.

    Whatever ends the body, nothing half-written is left; what a killed run left is removed first.
    A dataset that stands at ``directory`` is replaced.

    Raises:
        InputError: when ``directory`` is in use by something that is not a dataset.
    """
    check_replaceable(directory)
    partial = directory.with_name(directory.name + ".partial")
    restore(directory)
    shutil.rmtree(partial, ignore_errors=True)
    place = Building(partial / "dataset", partial / "work")
    try:
        place.dataset.mkdir(parents=True)
        place.work.mkdir()
        yield place
        _replace(place.dataset, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_replaceable(directory: Path) -> None:
    """Refuses a path at which something stands that is neither a dataset nor an empty directory."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise InputError(f"{directory}: a file, the prepared dataset cannot go there")
    if any(directory.iterdir()) and not (directory / MANIFEST_FILE).is_file():
        raise InputError(
            f"{directory}: not empty and no dataset ({MANIFEST_FILE} is missing), so it is left "
            "alone; set data.directory to another path"
        )


def restore(directory: Path) -> None:
    """Puts a dataset back that a run killed between its two renames had moved aside."""
    aside = _aside(directory)
    if aside.exists():
        if directory.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(directory)


def _replace(new: Path, directory: Path) -> None:
    aside = _aside(directory)
    if directory.exists():
        directory.rename(aside)
    new.rename(directory)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(directory: Path) -> Path:
    return directory.with_name(directory.name + ".replaced")
