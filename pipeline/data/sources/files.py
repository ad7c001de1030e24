"""Files to read: on this machine, or anywhere that fsspec reaches by a URL."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from pipeline.console import InputError

_PATTERN = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class SourceFile:
    """A file by its path or URL, which is also how messages name it."""

    location: str

    def __str__(self) -> str:
        return self.location

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return PurePosixPath(self.location).name

    @property
    def suffix(self) -> str:
        """The last suffix of the name, such as ``.gz``."""
        return PurePosixPath(self.location).suffix

    def exists(self) -> bool:
        """Whether there is something to read."""
        if not is_remote(self.location):
            return Path(self.location).exists()
        system, path = _remote(self.location)
        return bool(system.exists(path))

    def size(self) -> int:
        """Its bytes.

        Raises:
            InputError: when there is no such file.
        """
        try:
            if not is_remote(self.location):
                return Path(self.location).stat().st_size
            system, path = _remote(self.location)
            return int(system.info(path)["size"])
        except FileNotFoundError:
            raise InputError(f"{self.location}: no such file; set data.source") from None

    def open(self) -> BinaryIO:
        """Opens it to read bytes.

        Raises:
            InputError: when it cannot be opened.
        """
        try:
            if not is_remote(self.location):
                return Path(self.location).open("rb", buffering=0)
            system, path = _remote(self.location)
            return cast(BinaryIO, system.open(path, "rb"))
        except OSError as error:
            raise InputError(
                f"{self.location}: cannot be read: {error.strerror or error}"
            ) from None

    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        with self.open() as file:
            content = hashlib.sha256()
            while data := file.read(1 << 20):
                content.update(data)
            return content.hexdigest()


def is_remote(location: str) -> bool:
    """Whether it is a URL rather than a path of this machine."""
    return "://" in location


def find_files(location: str) -> list[SourceFile]:
    """The files that a path, a URL or a glob stands for.

    A glob's files are in the order of their names, numbers by value: day_2 before day_10.

    Raises:
        InputError: when a glob stands for none, or a directory is named.
    """
    if not _PATTERN.search(location) or SourceFile(location).exists():
        _refuse_directory(location)
        return [SourceFile(location)]
    if is_remote(location):
        system, path = _remote(location)
        found = [system.unstrip_protocol(name) for name in system.glob(path) if system.isfile(name)]
    else:
        root = Path(location).anchor
        matches = Path(root).glob(location.removeprefix(root))
        found = [str(path) for path in matches if path.is_file()]
    if not found:
        raise InputError(f"{location}: no file has such a name; set data.source")
    return [SourceFile(name) for name in sorted(found, key=_by_numbers)]


def _refuse_directory(location: str) -> None:
    if not is_remote(location) and Path(location).is_dir():
        raise InputError(
            f"{location}: a directory; data.source names files, such as {location}/*, or "
            "data.splits the files in it"
        )


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Texts and numbers of a name in turn."""
    pieces = _NUMBER.split(name)
    return [(int(piece) if odd % 2 else 0, piece) for odd, piece in enumerate(pieces)]


def _remote(location: str) -> tuple[Any, str]:
    """The file system of a URL and the path within it."""
    # 0.15 s that files of this machine need not wait for.
    import fsspec

    try:
        return cast(tuple[Any, str], fsspec.core.url_to_fs(location))
    except (ImportError, ValueError) as error:
        raise InputError(f"{location}: cannot be reached: {error}") from None
