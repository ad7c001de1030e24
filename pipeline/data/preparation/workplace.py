"""The directory in which a dataset is built, ``<dataset>.partial``: locked, and taken up again.

    lock             held by the run that works here
    identity         of what is built; another identity's files are thrown away
    work/            chunks of codes, and records of what is done
    dataset/         becomes the dataset directory when it is whole

A run that is killed or interrupted, that finds the disk full or loses its Dask cluster, leaves it.
The next run with the same spec and sources takes up what it holds. No later stage looks into it.
"""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.locked_directories import LOCK, lock
from pipeline.data.preparation.engines import ClusterLostError
from pipeline.data.preparation.publication import check_replaceable, place_of
from pipeline.data.whole_directories import replace, replaced, restore
from pipeline.data.whole_files import (
    DiskFullError,
    refusals_told,
    remove_unfinished,
    room_for,
    write_whole,
)

_ELSEWHERE = "set data.directory to another path"


@dataclass(frozen=True)
class Workplace:
    """Where a dataset is built.

    Both are absolute: the workers of a cluster have working directories of their own.

    Attributes:
        dataset: becomes the dataset directory.
        work: for files that are gone in the end.
    """

    dataset: Path
    work: Path


@contextmanager
def workplace(directory: Path, identity: str) -> Iterator[Workplace]:
    """Gives a place to build in, and puts its result at ``directory`` when the body succeeds.

    Nothing half-written stands at ``directory``, whatever ends the body. An interrupted body's work
    is kept for the next run with the same identity, an error's is removed.

    Args:
        directory: the dataset directory; a dataset that stands there is replaced.
        identity: equal identities lead to equal files.

    Raises:
        InputError: when ``directory`` is in use by something that is not a dataset, when another
            run builds it, when the system refuses to write there, or when the disk is full.
    """
    check_replaceable(directory)
    directory = place_of(directory)
    partial = _partial(directory)
    with room_for(partial), _locked(directory, partial):
        place = Workplace(partial / "dataset", partial / "work")
        try:
            with _placing(directory):
                restore(directory)
            with _working(partial):
                _take_up(partial, place, identity)
            with room_for(partial):
                yield place
            with _placing(directory):
                replace(place.dataset, directory)
        except (DiskFullError, ClusterLostError):
            raise
        except Exception:
            with contextlib.suppress(OSError):
                _remove(partial)
            raise
        _remove(partial)


def recover(directory: Path) -> None:
    """Puts a dataset back that a run killed between its two renames had moved aside.

    Raises:
        InputError: when another run is at it right now, or the system refuses.
    """
    directory = place_of(directory)
    if replaced(directory).exists():
        with _locked(directory, _partial(directory)), _placing(directory):
            restore(directory)


def clear(directory: Path) -> None:
    """Removes the workplace of a dataset that needs no work.

    One in which another run works, or that the system keeps from this user, stays.
    """
    directory = place_of(directory)
    partial = _partial(directory)
    if partial.exists():
        with contextlib.suppress(InputError, OSError), _locked(directory, partial):
            _remove(partial)


def _partial(directory: Path) -> Path:
    return directory.with_name(directory.name + ".partial")


@contextmanager
def _locked(directory: Path, partial: Path) -> Iterator[None]:
    """Makes the workplace where it is not there, and holds its lock."""
    taken = f"{directory}: another run is preparing it; wait for its end, or {_ELSEWHERE}"
    with _working(partial):
        file = lock(partial, taken)
    with file:
        yield


def _working(partial: Path) -> AbstractContextManager[None]:
    """Tells why a workplace cannot be used, such as one on a disk that can only be read."""
    return refusals_told(partial, "cannot be worked in", _ELSEWHERE)


def _placing(directory: Path) -> AbstractContextManager[None]:
    """Tells why a dataset cannot be moved to its place."""
    return refusals_told(directory, "cannot be replaced", _ELSEWHERE)


def _remove(partial: Path) -> None:
    """Removes a workplace whose lock is held. The lock goes last: it keeps other runs out."""
    for path in partial.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
    (partial / LOCK).unlink()
    # Another run may have put its own lock there by now; the directory is that run's then.
    with contextlib.suppress(OSError):
        partial.rmdir()


def _take_up(partial: Path, place: Workplace, identity: str) -> None:
    """Keeps what was built for the same identity, and throws anything else away."""
    stamp = partial / "identity"
    if not stamp.is_file() or stamp.read_text() != identity:
        stamp.unlink(missing_ok=True)
        for folder in (place.dataset, place.work):
            shutil.rmtree(folder, ignore_errors=True)
        write_whole(stamp, identity.encode())
    for folder in (place.dataset, place.work):
        folder.mkdir(exist_ok=True)
    remove_unfinished(partial)
