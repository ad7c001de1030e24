"""Codes of Arrow's strings: a table that gives each distinct one its number."""

import numpy as np
import pyarrow as pa

from pipeline.data.kernels import code_all, empty_table

# Arrow's strings have 32-bit offsets.
LARGEST_TEXT = 2**31 - 1


class TooMuchTextError(ValueError):
    """Distinct tokens are more bytes than Arrow's strings hold."""


class TokenTable:
    """Distinct tokens, numbered in the order in which they came. No token is null."""

    def __init__(self) -> None:
        """Begins without tokens. Each will take 32 to 64 bytes beside its own."""
        self._table = empty_table()
        self._known = 0

    def add(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32, the number of each; new ones get the next numbers."""
        text, offsets = _bytes_of(tokens)
        codes, self._table, self._known = code_all(text, offsets, self._table, self._known, True)
        return codes

    def find(self, tokens: pa.StringArray) -> np.ndarray:
        """(tokens,) int32, the number of each; -1 for those that are not there."""
        codes, _, _ = code_all(*_bytes_of(tokens), self._table, self._known, False)
        return codes

    def tokens(self) -> pa.StringArray:
        """The tokens by their numbers.

        Raises:
            TooMuchTextError: when they are 2 GiB or more.
        """
        offsets = self._table.offsets[: self._known + 1]
        if offsets[-1] > LARGEST_TEXT:
            raise TooMuchTextError(f"{offsets[-1]:,} bytes of distinct tokens")
        return strings_of(offsets, self._table.data[: offsets[-1]])


def coded(strings: pa.StringArray) -> pa.DictionaryArray:
    """Strings as codes of the distinct ones, in the order in which they come."""
    table = TokenTable()
    return as_dictionary(table.add(strings), table.tokens())


def as_dictionary(codes: np.ndarray, texts: pa.StringArray) -> pa.DictionaryArray:
    """Codes, which are not checked: Arrow's checks took 2 % of a preparation's time."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), texts, safe=False)


def strings_of(offsets: np.ndarray, data: np.ndarray) -> pa.StringArray:
    """Strings from (strings + 1,) offsets and their bytes.

    Raises:
        pa.ArrowInvalid: when they are 2 GiB or more.
    """
    narrow = pa.array(offsets, pa.int32())
    return pa.StringArray.from_buffers(len(narrow) - 1, narrow.buffers()[1], pa.py_buffer(data))


def _bytes_of(strings: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """The bytes, and where each string begins and ends in them."""
    _, offsets, data = strings.buffers()
    places = np.frombuffer(offsets or bytes(4), np.int32)
    text = np.frombuffer(data or b"", np.uint8)
    return text, places[strings.offset : strings.offset + len(strings) + 1]
