"""Rows that cannot be read: refused at the first one, or counted by reason."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from pipeline.console import InputError
from pipeline.data.sources.files import SourceFile

HEADER = "header"
WRONG_COLUMNS = "wrong number of columns"
BAD_LABEL = "label is not 0 or 1"
NOT_UTF8 = "not valid UTF-8"
NUL_BYTE = "NUL byte inside the line"
LONE_RETURN = "carriage return inside the line"
OPEN_QUOTE = "quote that is not closed on its line"

Policy = Literal["fail", "skip"]


class Faults:
    """The bad rows of one block of a source.

    Args:
        path: the source.
        unit: what rows are called in messages: line or row.
        first: the number of the block's first row in messages.
        policy: the spec's ``data.bad_rows``.
    """

    def __init__(self, path: SourceFile, unit: str, first: int, policy: Policy) -> None:
        self._path, self._unit, self._first, self._policy = path, unit, first, policy
        self._found: list[tuple[np.ndarray, str, Callable[[int], str]]] = []

    def add(self, rows: np.ndarray, reason: str, describe: Callable[[int], str]) -> None:
        """Notes bad rows by their positions in the block; a row's first reason stays its reason.

        Args:
            rows: positions, rising.
            reason: the heading that they are counted under.
            describe: what was found at a position, and what is expected.
        """
        if len(rows):
            self._found.append((rows, reason, describe))

    def settle(self, rows: int) -> tuple[np.ndarray, dict[str, int]]:
        """Raises for the first bad row, or says which of the block's ``rows`` stay.

        Returns:
            (rows,) bool, true for rows to keep; and the number of the others by reason.

        Raises:
            InputError: under the policy ``fail``.
        """
        good = np.ones(rows, dtype=bool)
        if not self._found:
            return good, {}
        if self._policy == "fail":
            self._refuse()
        counts: dict[str, int] = {}
        for found, reason, _ in self._found:
            fresh = int(good[found].sum())
            good[found] = False
            if fresh:
                counts[reason] = counts.get(reason, 0) + fresh
        return good, counts

    def _refuse(self) -> None:
        found, _, describe = min(self._found, key=lambda entry: entry[0][0])
        row = int(found[0])
        raise InputError(
            f"{self._path}: {self._unit} {self._first + row:,}: {describe(row)}; correct it, or "
            'set data.bad_rows = "skip" to leave such rows out'
        )
