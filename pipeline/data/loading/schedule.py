"""Which rows make which batch: pure arithmetic on counts, shared by every rank.

An epoch of n rows is a sequence of n positions. Windows, groups of parts that are in memory
together, cover the sequence from its start; global batches cut it about evenly; each rank takes an
equally long slice of every global batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Parts in memory together: positions ``first`` to ``first + rows`` of the epoch."""

    number: int
    parts: tuple[int, ...]
    first: int
    rows: int


@dataclass(frozen=True)
class Slice:
    """A rank's rows of one global batch.

    Attributes:
        positions: (rows of the slice,) rising positions in the epoch; padding repeats the global
            batch's last row.
        weights: float32, 0 for padding. Their scale makes the mean over ranks of
            mean(weight x loss) the mean loss of the global batch.
    """

    positions: np.ndarray
    weights: np.ndarray


def batch_grain(batch_size: int) -> int:
    """Global batches but the last are whole multiples of this many rows.

    A power of two of at least a 32nd of the batch. So any number of ranks that divides it gets
    equally long slices without padding rows, which would count twice in batch normalisation.

    >>> batch_grain(2048), batch_grain(1000), batch_grain(8)
    (128, 32, 1)
    """
    return 1 << max((batch_size // 16).bit_length() - 1, 0)


def batch_count(rows: int, batch_size: int) -> int:
    """Global batches of an epoch."""
    grain = batch_grain(batch_size)
    return -(-rows // (batch_size // grain * grain))


def batch_bounds(rows: int, batch_size: int, batch: int) -> tuple[int, int]:
    """The positions of a global batch: all about equally long, so that none is a small rest.

    >>> [batch_bounds(10, 4, batch) for batch in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    >>> [batch_bounds(301, 128, batch) for batch in range(3)]
    [(0, 96), (96, 200), (200, 301)]
    """
    grain, count = batch_grain(batch_size), batch_count(rows, batch_size)
    grains = -(-rows // grain)
    begin, end = (grain * (place * grains // count) for place in (batch, batch + 1))
    return begin, min(end, rows)


def rank_slice(begin: int, end: int, rank: int, world_size: int) -> Slice:
    """A rank's slice of the global batch at the positions ``begin`` to ``end``."""
    size = end - begin
    length = -(-size // world_size)
    wanted = begin + rank * length + np.arange(length)
    scale = length * world_size / size
    weights = np.where(wanted < end, scale, 0.0).astype(np.float32)
    return Slice(np.minimum(wanted, end - 1), weights)


def plan_windows(
    part_rows: Sequence[int], window_rows: int, shuffle_seed: int | None, epoch: int
) -> list[Window]:
    """Groups an epoch's parts into windows of at most ``window_rows`` rows, or of one part.

    Args:
        part_rows: rows of each part.
        window_rows: the most rows that are in memory and shuffled together.
        shuffle_seed: with the epoch it settles the order of the parts; None keeps the files'.
        epoch: the epoch's number.
    """
    order = np.arange(len(part_rows))
    if shuffle_seed is not None:
        order = np.random.default_rng([shuffle_seed, epoch]).permutation(order)
    groups: list[list[int]] = []
    room = 0
    for part in order.tolist():
        if not groups or part_rows[part] > room:
            groups.append([])
            room = window_rows
        groups[-1].append(part)
        room -= part_rows[part]
    rows = [sum(part_rows[part] for part in group) for group in groups]
    firsts = np.cumsum([0, *rows]).tolist()
    # Sorted, so that a split of one window is decoded alike in every epoch.
    return [
        Window(number, tuple(sorted(group)), firsts[number], rows[number])
        for number, group in enumerate(groups)
    ]


def window_order(window: Window, shuffle_seed: int | None, epoch: int) -> np.ndarray:
    """(rows,) which row of the window stands at each of its positions."""
    if shuffle_seed is None:
        return np.arange(window.rows)
    # A seed sequence is padded with zeros, so 0 would repeat the stream that ordered the parts.
    return np.random.default_rng([shuffle_seed, epoch, window.number + 1]).permutation(window.rows)
