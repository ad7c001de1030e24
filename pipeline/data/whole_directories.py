"""Directories that appear whole: built aside, then put into place by renaming."""

import shutil
from pathlib import Path


def replaced(directory: Path) -> Path:
    """Where what is at ``directory`` stands for the moment in which another takes its place."""
    return directory.with_name(directory.name + ".replaced")


def restore(directory: Path) -> None:
    """Puts a directory back that a run killed between its two renames had moved aside."""
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
