"""Text files, plain or compressed, as blocks of whole lines. Hashes the file on the way."""

import bz2
import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.console import InputError
from pipeline.data.sources.files import SourceFile

_UNREADABLE = (lzma.LZMAError, zlib.error, EOFError, OSError, pa.ArrowException)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file; the file's last line may lack its newline.

    Attributes:
        data: the lines.
        first_line: the first line's number, from 1.
        lines: how many.
    """

    data: bytes
    first_line: int
    lines: int


class HashedFile:
    """A file that knows how many bytes were read of it and their SHA-256."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file.open()
        self._hash = hashlib.sha256()
        self.bytes_read = 0

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def read(self, size: int) -> bytes:
        """The next bytes, ``size`` at the most; none at the end."""
        data = self._file.read(size) or b""
        self._hash.update(data)
        self.bytes_read += len(data)
        return data

    def drain(self) -> None:
        """Reads what a decompressor has left of the file."""
        while self.read(1 << 20):
            continue

    def hexdigest(self) -> str:
        """The SHA-256 of the bytes read so far."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@contextmanager
def opened(source: SourceFile) -> Iterator[HashedFile]:
    """The raw file.

    Raises:
        InputError: when it cannot be opened.
    """
    file = HashedFile(source)
    try:
        yield file
    finally:
        file.close()


def line_blocks(path: SourceFile, raw: HashedFile, block_bytes: int) -> Iterator[Block]:
    """Cuts the file's decompressed bytes at newlines.

    Args:
        path: its suffix says how it is compressed: .gz, .bz2, .xz, .zst, or else not at all.
        raw: the file, opened.
        block_bytes: about the size of a block; one line is never cut.

    Raises:
        InputError: when the file is empty or its compression is broken.
    """
    line, rest = 1, b""
    for piece in _pieces(path, raw, block_bytes):
        end = piece.rfind(b"\n") + 1
        if not end:
            rest += piece
            continue
        data = b"".join((rest, memoryview(piece)[:end]))
        rest = piece[end:]
        block = Block(data, line, data.count(b"\n"))
        line += block.lines
        yield block
    if rest:
        yield Block(rest, line, 1)
    elif line == 1:
        raise InputError(f"{path}: the file is empty")


def _pieces(path: SourceFile, raw: HashedFile, size: int) -> Iterator[bytes]:
    """The decompressed bytes, without a byte order mark."""
    try:
        stream = _decompressed(path, raw)
        piece = stream.read(size).removeprefix(_BYTE_ORDER_MARK)
        while piece:
            yield piece
            piece = stream.read(size)
        # Here, because a stream closes the file under it when it goes out of scope.
        raw.drain()
    except _UNREADABLE as error:
        raise InputError(f"{path}: cannot be read to its end: {error}") from None


def _decompressed(path: SourceFile, raw: Any) -> Any:
    """A stream with ``read``."""
    match path.suffix:
        case ".gz":
            return gzip.GzipFile(fileobj=raw)
        case ".bz2":
            return bz2.BZ2File(raw)
        case ".xz":
            return lzma.LZMAFile(raw)
        case ".zst":
            return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        case _:
            return raw
