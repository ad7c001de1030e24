"""A 64-bit hash of tokens, the same for ever and in every language.

The hash is FNV-1a (Fowler, Noll, Vo) of the token's UTF-8 bytes, through the finaliser of
SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), because FNV's low bits are its weak ones.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def hash_texts(texts: pa.StringArray) -> NDArray[np.uint64]:
    """The hash of each text; byte by byte over all texts at once."""
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts = offsets[:-1][order]
    # How many texts have a byte at each place; asked for all places at once, for a text of 20 KB
    # has as many.
    places = np.arange(lengths.max(initial=0))
    active_at = np.searchsorted(-lengths[order], -places)
    state = np.full(len(texts), _FNV_OFFSET)
    for place, active in zip(places, active_at, strict=True):
        state[:active] = (state[:active] ^ data[starts[:active] + place]) * _FNV_PRIME
    hashes = np.empty(len(texts), np.uint64)
    hashes[order] = finalise(state)
    return hashes


def finalise(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: every bit of the result depends on every bit of ``state``."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
