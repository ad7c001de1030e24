import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.hashing import finalise, hash_texts

MASK = 2**64 - 1


def fnv1a(data: bytes) -> int:
    """FNV-1a in Python's own integers."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & MASK
    return state


def mixed(z: int) -> int:
    """SplitMix64's finaliser in Python's own integers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


@pytest.mark.parametrize(
    ("text", "published"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_the_hash_is_fnv_1a_as_it_is_published_and_then_mixed(text: str, published: int) -> None:
    assert fnv1a(text.encode()) == published
    assert hash_texts(pa.array([text])).tolist() == [mixed(published)]


@given(st.lists(st.text(max_size=12), max_size=20), st.integers(0, 5))
def test_texts_of_any_length_are_hashed_together(texts: list[str], skipped: int) -> None:
    expected = [mixed(fnv1a(text.encode())) for text in texts]
    array = pa.array(["before"] * skipped + texts, pa.string()).slice(skipped)
    assert hash_texts(array).tolist() == expected


def seconds_to_hash(*texts: str) -> float:
    """Of this process, the least of three."""
    array = pa.array(texts)

    def once() -> float:
        begin = time.process_time()
        hash_texts(array)
        return time.process_time() - begin

    return min(once() for _ in range(3))


def test_one_long_text_does_not_slow_the_others_down() -> None:
    short, long = [str(number) for number in range(1 << 17)], "x" * 10_000
    apart = seconds_to_hash(*short) + seconds_to_hash(long)
    together = seconds_to_hash(*short, long)
    assert together < 4 * apart


def test_rows_are_filled_evenly() -> None:
    hashes = hash_texts(pa.array([str(number) for number in range(100_000)]))
    filled = np.bincount((hashes % np.uint64(100)).astype(int), minlength=100)
    # Five standard deviations of a Poisson count of 1,000.
    assert filled == pytest.approx(1_000, abs=5 * 1_000**0.5)


def test_finalise_is_the_published_mixer() -> None:
    # The first outputs of SplitMix64 with seed 0.
    gamma = 0x9E3779B97F4A7C15
    states = np.array([gamma, 2 * gamma & MASK], dtype=np.uint64)
    assert finalise(states).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
