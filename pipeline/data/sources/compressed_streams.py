"""Files of several compressed streams, one after the other, of bzip2 or xz.

Python's own readers of both take whatever follows a stream and is none for the file's end. So a
later stream whose header is damaged would be lost, with all that follows it, without a word.
"""

import bz2
import lzma
from collections.abc import Callable
from typing import BinaryIO, TypeAlias

_INPUT_BYTES = 1 << 16
_PADDING = b"\0"
# As gzip's reader words it.
_CUT_SHORT = "Compressed file ended before the end-of-stream marker was reached"
# Of one stream.
_Decompressor: TypeAlias = bz2.BZ2Decompressor | lzma.LZMADecompressor


class CompressedStreams:
    """What is read is the decompressed bytes of all streams.

    Args:
        raw: the compressed bytes.
        fresh: makes the decompressor of a stream.
    """

    def __init__(self, raw: BinaryIO, fresh: Callable[[], _Decompressor]) -> None:
        self._raw, self._fresh = raw, fresh
        self._stream = fresh()

    def readinto(self, room: memoryview) -> int:
        """Reads the next bytes to ``room``, which may be more than they are; 0 at the end.

        Raises:
            EOFError: when the file ends within a stream.
            OSError: for what is no bzip2 stream.
            lzma.LZMAError: for what is no xz stream.
        """
        while True:
            given = b""
            if self._stream.eof:
                given = self._after_stream()
                if not given:
                    return 0
                self._stream = self._fresh()
            elif self._stream.needs_input:
                given = self._raw.read(_INPUT_BYTES)
                if not given:
                    raise EOFError(_CUT_SHORT)
            if data := self._stream.decompress(given, len(room)):
                room[: len(data)] = data
                return len(data)

    def _after_stream(self) -> bytes:
        """The first bytes of the next stream; zeros between streams are padding."""
        rest = self._stream.unused_data.lstrip(_PADDING)
        while not rest and (more := self._raw.read(_INPUT_BYTES)):
            rest = more.lstrip(_PADDING)
        return rest
