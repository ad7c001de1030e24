"""How many rows of a log have which time, in bounded memory.

Up to ``LIMIT`` distinct times are counted one by one. Of more, neighbours are joined to spans of
about equal numbers of rows, some millionths of the log. The one that matters is counted by itself
when the log is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A month and a half of seconds. At its peak this took 290 MiB for 2.4 million, 520 for any more.
LIMIT = 1 << 22

Counts = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Spans:
    """Spans of time, rising, that do not overlap.

    Attributes:
        first: (spans,) float64, the first time of a span that a row has.
        last: (spans,) float64, the last one; equal to the first for a single time.
        rows: (spans,) int64, how many rows have these times.
    """

    first: np.ndarray
    last: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    @property
    def before(self) -> np.ndarray:
        """(spans,) int64, how many rows have earlier times than those of a span."""
        return np.cumsum(self.rows) - self.rows

    @property
    def joined(self) -> np.ndarray:
        """(spans,) bool, whether a span may have several times."""
        return self.first != self.last

    def select(self, which: np.ndarray) -> "Spans":
        """Some of them, by a mask or by places."""
        return Spans(self.first[which], self.last[which], self.rows[which])

    def with_rows(self, times: np.ndarray, counts: np.ndarray) -> "Spans":
        """Adds rows.

        Args:
            times: (n,) distinct, rising.
            counts: (n,) how many rows have each.
        """
        owners = np.searchsorted(self.first, times, side="right") - 1
        known = owners >= 0
        known[known] = times[known] <= self.last[owners[known]]
        rows = self.rows.copy()
        np.add.at(rows, owners[known], counts[known])
        fresh, more = times[~known], counts[~known]
        return Spans(self.first, self.last, rows).beside(Spans(fresh, fresh, more))

    def beside(self, others: "Spans") -> "Spans":
        """These and others, none of which overlap."""
        first = np.concatenate([self.first, others.first])
        last = np.concatenate([self.last, others.last])
        rows = np.concatenate([self.rows, others.rows])
        # Stable: it merges two rising runs, where quicksort would begin anew.
        order = np.argsort(first, kind="stable")
        return Spans(first[order], last[order], rows[order])

    def joined_to(self, spans: int) -> "Spans":
        """At most three times so many spans, of about equal numbers of rows.

        A span of more than its share of the rows stays by itself: so there are always two at least.
        """
        total = self.rows.sum()
        shares = self.before * spans // total
        heavy = self.rows > total // spans
        begins = (np.diff(shares, prepend=-1) > 0) | heavy
        begins[1:] |= heavy[:-1]
        starts = np.flatnonzero(begins)
        ends = np.append(starts[1:], len(self)) - 1
        return Spans(self.first[starts], self.last[ends], np.add.reduceat(self.rows, starts))


class TimeTable:
    """Adds up what blocks of rows hold.

    Args:
        limit: spans to hold, at the most.
    """

    def __init__(self, limit: int) -> None:
        none = np.empty(0)
        self._spans = Spans(none, none, np.empty(0, dtype=np.int64))
        self._limit = limit
        self._waiting: list[Counts] = []
        self._held = 0

    def add(self, times: np.ndarray, counts: np.ndarray) -> None:
        """Adds how many rows have which time."""
        self._waiting.append((times, counts))
        self._held += len(times)
        # Many blocks at a time: spans are not sorted anew for each of them.
        if self._held > self._limit // 4:
            self._settle()

    def spans(self) -> Spans:
        """What was added."""
        if self._held:
            self._settle()
        return self._spans

    def _settle(self) -> None:
        self._spans = self._spans.with_rows(*_sum(self._waiting))
        self._waiting, self._held = [], 0
        if len(self._spans) > self._limit:
            self._spans = self._spans.joined_to(self._limit // 4)


def _sum(parts: Sequence[Counts]) -> Counts:
    times, places = np.unique(np.concatenate([found for found, _ in parts]), return_inverse=True)
    counts = np.zeros(len(times), dtype=np.int64)
    np.add.at(counts, places, np.concatenate([found for _, found in parts]))
    return times, counts
