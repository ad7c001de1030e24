"""The names under which a run's checkpoints stand, and which of them stay."""

import shutil
from pathlib import Path

from pipeline.data.whole_directories import restore

_DAMAGED = ".damaged"


def step_directory(checkpoints: Path, step: int) -> Path:
    """The checkpoint of a step; names sort by step."""
    return checkpoints / f"step-{step:010d}"


def partial(directory: Path) -> Path:
    """Where a checkpoint stands until it is whole."""
    return directory.with_name(directory.name + ".partial")


def whole_checkpoints(checkpoints: Path) -> list[Path]:
    """The checkpoints of a run that were published, oldest first."""
    return sorted(path for path in checkpoints.glob("step-*") if path.name[5:].isdigit())


def set_aside(directory: Path) -> Path:
    """Renames a damaged checkpoint, so that it is neither read again nor kept in another's place.

    It is not removed: what damaged it may be no fault of its own, such as a disk that does not
    answer.
    """
    aside = directory.with_name(directory.name + _DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    return directory.rename(aside)


def clear_unfinished(checkpoints: Path, best: Path) -> None:
    """Tidies up what a killed run left half-done."""
    for directory in (best, *(path.with_suffix("") for path in checkpoints.glob("step-*"))):
        restore(directory)
        shutil.rmtree(partial(directory), ignore_errors=True)


def remove_old(checkpoints: Path, keep: int) -> None:
    """Leaves the last checkpoints, and clears what killed runs left."""
    kept = whole_checkpoints(checkpoints)[-keep:]
    for path in checkpoints.glob("step-*"):
        if path not in kept and path.suffix != _DAMAGED:
            shutil.rmtree(path, ignore_errors=True)
