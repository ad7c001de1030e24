"""Files by URL, through fsspec. What its drivers raise becomes one line.

Drivers have exceptions of their own: botocore's and aiohttp's are no ``OSError``. Of a file that is
forbidden, or a host that does not answer, some say that there is none, and the cause says why.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from pipeline.console import InputError

_QUERY = re.compile(r"^(https?://[^?#]*)[?#].*")

# Properties that reading a file changes; sftp has both.
ACCESS_TIMES = {"time", "atime"}


@contextmanager
def reached(location: str) -> Iterator[None]:
    """Within the body, a file system is asked.

    Raises:
        InputError: for all that its driver raises, naming the URL.
    """
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{location}: cannot be reached: {_line(error)}") from None
    except Exception as error:
        reason = _reason(error)
        if isinstance(reason, FileNotFoundError):
            raise InputError(f"{location}: no such file; set data.source") from None
        raise InputError(
            f"{location}: cannot be reached: {_line(reason)}; check the URL, the network and the "
            "credentials"
        ) from None


def file_system(location: str) -> tuple[Any, str]:
    """The file system of a URL and the path within it."""
    # 0.15 s that files of this machine need not wait for.
    import fsspec

    with reached(location):
        return cast(tuple[Any, str], fsspec.core.url_to_fs(location))


def properties(location: str) -> dict[str, Any]:
    """What its file system tells of a file, such as its type, size, time of change or ETag."""
    system, path = file_system(location)
    with reached(location):
        return cast(dict[str, Any], system.info(path))


def name_of(location: str) -> str:
    """The path that a URL ends in: without what an archive lies in, and without a query."""
    return _QUERY.sub(r"\1", location.split("::")[0])


def url_of(location: str, system: Any, path: str) -> str:
    """The URL of a path that a glob found."""
    return "::".join([system.unstrip_protocol(path), *location.split("::")[1:]])


class RemoteFile(io.RawIOBase):
    """An open file. Whatever its driver raises on reading is raised as ``OSError``."""

    def __init__(self, location: str) -> None:
        """Opens it.

        Raises:
            InputError: when it cannot be opened.
        """
        # Kept, since an archive is closed when its file system is forgotten.
        self._system, path = file_system(location)
        with reached(location):
            self._file = self._system.open(path, "rb")

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """Whether its driver can read from the middle."""
        return bool(self._file.seekable())

    def read(self, size: int = -1) -> bytes:
        """The next bytes, ``size`` at the most; none at the end."""
        with _as_os_error():
            return cast(bytes, self._file.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place."""
        with _as_os_error():
            return cast(int, self._file.seek(offset, whence))

    def tell(self) -> int:
        """The place that is read next."""
        return cast(int, self._file.tell())

    def close(self) -> None:
        """Closes it."""
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise OSError(_line(_reason(error))) from None


def _reason(error: Exception) -> BaseException:
    """What an error says, or the cause that "no such file" stands for."""
    return error.__cause__ or error if isinstance(error, FileNotFoundError) else error


def _line(error: BaseException) -> str:
    """The first line of a message; its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
