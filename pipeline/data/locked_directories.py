"""A directory in which one process works at a time, by a lock that dies with its holder."""

import errno
import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

from pipeline.console import InputError

LOCK = "lock"

# What file systems answer that have no locks, as some of a network are mounted.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def lock(directory: Path, taken: str) -> TextIO:
    """Makes a directory where it is not there, and takes its lock.

    The system lets go of a killed process's. Where the file system has no locks, a line on stderr
    says so, and nobody is kept out.

    Args:
        directory: to work in.
        taken: what the error says.

    Returns:
        The lock's file; the lock is held until it is closed.

    Raises:
        InputError: another process holds it.
        OSError: the directory or the file cannot be written.
    """
    path = directory / LOCK
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("w")
        except FileNotFoundError:
            # The holder before removed the directory in this moment.
            continue
        try:
            _take(file, directory, taken)
            # The holder before may have removed the file after it was opened here.
            if _is_at(file.fileno(), path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _take(file: TextIO, directory: Path, taken: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(taken) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"{directory}: its file system has no locks ({error.strerror}): let nothing else work "
            "there at the same time",
            file=sys.stderr,
        )


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still stands at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
