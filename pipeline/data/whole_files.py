"""Files that appear whole or not at all, and a full disk in one clear line."""

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.console import InputError

# No space, over the user's quota, over the process's largest file.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, *pieces: bytes | pa.Buffer) -> None:
    """Writes a file aside and renames it, so that ``path`` never holds a part of it.

    Two workers may write the same file at the same time: the last one's stays.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.writing")
    try:
        with aside.open("wb", buffering=0) as file:
            for piece in pieces:
                _write_all(file.fileno(), memoryview(piece))
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _write_all(descriptor: int, data: memoryview) -> None:
    """Writes every byte. One call may write fewer, near a disk's end."""
    while data:
        data = data[os.write(descriptor, data) :]


def remove_unfinished(directory: Path) -> None:
    """Removes what killed writers left in a directory."""
    for path in directory.rglob("*.writing"):
        path.unlink()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DiskFullError(InputError):
    """There is no room to write to."""


@contextmanager
def refusals_told(directory: Path, what: str, advice: str) -> Iterator[None]:
    """Turns whatever keeps the body from writing into one line.

    Args:
        directory: that is written into.
        what: cannot be done.
        advice: what to do about it.

    Raises:
        DiskFullError: as ``room_for``.
        InputError: naming the directory.
    """
    try:
        with room_for(directory):
            yield
    except OSError as error:
        raise InputError(f"{directory}: {what}: {error.strerror}; {advice}") from None


@contextmanager
def room_for(directory: Path) -> Iterator[None]:
    """Turns a full disk within the body into one line.

    Raises:
        DiskFullError: naming the directory.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFullError(
            f"{directory}: cannot be written: {os.strerror(error.errno)}; make room and start "
            "again: what is done is kept and taken up"
        ) from None
