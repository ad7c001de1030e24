"""Makes a directory whole or not at all: puts one that was built aside into place by renaming."""

import shutil
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE


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


def replaced(directory: Path) -> Path:
    """Where the dataset at ``directory`` stands for the moment in which another takes its place."""
    return directory.with_name(directory.name + ".replaced")


def restore(directory: Path) -> None:
    """Puts a dataset back that a run killed between its two renames had moved aside."""
    aside = replaced(directory)
    if aside.exists():
        if directory.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(directory)


def replace(new: Path, directory: Path) -> None:
    """Puts the directory ``new`` at ``directory``, in place of what stands there."""
    aside = replaced(directory)
    if directory.exists():
        directory.rename(aside)
    new.rename(directory)
    shutil.rmtree(aside, ignore_errors=True)
