"""Files to read: on this machine, or anywhere that fsspec reaches by a URL."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from pipeline.console import InputError
from pipeline.data.sources.remote import (
    ACCESS_TIMES,
    RemoteFile,
    file_system,
    name_of,
    properties,
    reached,
    url_of,
)

_PATTERN = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"(\d+)")


class NoMatchError(InputError):
    """A glob stands for no file.

    Attributes:
        location: the glob.
    """

    def __init__(self, location: str) -> None:
        """Names the glob."""
        super().__init__(f"{location}: no file has such a name; set data.source")
        self.location = location


@dataclass(frozen=True)
class SourceFile:
    """A file by its path or URL, which is also how messages name it."""

    location: str

    def __str__(self) -> str:
        return self.location

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """The last suffix of the name, such as ``.gz``."""
        return self._path.suffix

    @property
    def identity(self) -> str:
        """The same for every spelling of a path, and for links to it."""
        return self.location if is_remote(self.location) else os.path.realpath(self.location)

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(name_of(self.location) if is_remote(self.location) else self.location)

    def exists(self) -> bool:
        """Whether there is something to read.

        Raises:
            InputError: when it cannot be told.
        """
        if not is_remote(self.location):
            with _asked(self.location):
                return Path(self.location).exists()
        system, path = file_system(self.location)
        with reached(self.location):
            return bool(system.exists(path))

    def size(self) -> int:
        """Its bytes.

        Raises:
            InputError: when there is no such file, or a server does not tell.
        """
        if is_remote(self.location):
            return self._remote_size()
        return self._status().st_size

    def version(self) -> str | None:
        """What changes when its content does; None for what is no regular file, such as a pipe.

        Raises:
            InputError: when there is no such file.
        """
        if is_remote(self.location):
            known = properties(self.location)
            return str({key: known[key] for key in sorted(known.keys() - ACCESS_TIMES)})
        status = self._status()
        if not stat.S_ISREG(status.st_mode):
            return None
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"

    @property
    def lasts(self) -> bool:
        """Whether it can be read more than once; a pipe cannot.

        Raises:
            InputError: when there is no such file on this machine.
        """
        return is_remote(self.location) or stat.S_ISREG(self._status().st_mode)

    def check_lasts(self, first: str) -> None:
        """Refuses what can be read only once.

        Args:
            first: what is read of it before its rows.

        Raises:
            InputError: for a pipe.
        """
        if not self.lasts:
            raise InputError(
                f"{self.location}: a pipe or the like can be read only once, and its {first} is "
                "read before its rows; copy it to a file"
            )

    def _status(self) -> os.stat_result:
        with _asked(self.location):
            try:
                return Path(self.location).stat()
            except FileNotFoundError:
                raise InputError(f"{self.location}: no such file; set data.source") from None

    def _remote_size(self) -> int:
        known = properties(self.location)
        if known["type"] == "directory":
            raise _is_directory(self.location)
        if known["size"] is None:
            raise InputError(
                f"{self.location}: the server does not tell its size; copy the file to where it "
                "can be told"
            )
        return int(known["size"])

    def open(self) -> BinaryIO:
        """Opens it to read bytes.

        Raises:
            InputError: when it cannot be opened.
        """
        if is_remote(self.location):
            return cast(BinaryIO, RemoteFile(self.location))
        with _asked(self.location):
            return Path(self.location).open("rb", buffering=0)

    def digest(self) -> str:
        """The SHA-256 of its bytes.

        Raises:
            InputError: when it cannot be read.
        """
        with self.open() as file, _asked(self.location):
            content = hashlib.sha256()
            while data := file.read(1 << 20):
                content.update(data)
            return content.hexdigest()


@contextmanager
def _asked(location: str) -> Iterator[None]:
    """Within the body, this machine's files are asked.

    Raises:
        InputError: for all that they answer with, and for a path or a glob that is none.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{location}: cannot be read: {error.strerror or error}") from None
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"{location}: cannot be read: {error}") from None


def is_remote(location: str) -> bool:
    """Whether it is a URL rather than a path of this machine."""
    return "://" in location


def find_files(location: str) -> list[SourceFile]:
    """The files that a path, a URL or a glob stands for.

    A glob's files are in the order of their names, numbers by value: day_2 before day_10.

    Raises:
        NoMatchError: when a glob stands for none.
        InputError: when a directory is named, or a glob cannot be read.
    """
    if not _PATTERN.search(location) or SourceFile(location).exists():
        _refuse_directory(location)
        return [SourceFile(location)]
    if is_remote(location):
        system, path = file_system(location)
        with reached(location):
            listed = system.glob(path, detail=True)
        files = [name for name, known in listed.items() if known["type"] == "file"]
        found = [url_of(location, system, name) for name in files]
    else:
        root = Path(location).anchor
        with _asked(location):
            matches = Path(root).glob(location.removeprefix(root))
            found = [str(path) for path in matches if path.is_file()]
    if not found:
        raise NoMatchError(location)
    return [SourceFile(name) for name in sorted(found, key=_by_numbers)]


def _refuse_directory(location: str) -> None:
    with _asked(location):
        if not is_remote(location) and Path(location).is_dir():
            raise _is_directory(location)


def _is_directory(location: str) -> InputError:
    return InputError(
        f"{location}: a directory; data.source names files, such as {location}/*, or data.splits "
        "the files in it"
    )


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Texts and numbers of a name in turn."""
    pieces = _NUMBER.split(name)
    return [(int(piece) if odd % 2 else 0, piece) for odd, piece in enumerate(pieces)]
