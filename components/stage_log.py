"""A stage's log as a person reads it: the stage's own words, without torchrun's around them."""

import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator

TAIL_LINES = 30
# torchrun --tee puts the rank before every line of a process; its own lines have none.
_RANK_PREFIX = re.compile(r"\[(\d+)\]:(.*)")
# c10d's warnings have no rank when torchrun itself meets them, waiting for the other nodes or for
# a host name that does not resolve. It may wait for minutes, so they are shown at once.
_WAITING = re.compile(r"\[[WEF]\d{4} ")
_ERROR = "error: "
# torchrun's closing summary (which rank died first, and of what) stands between such rules.
_SUMMARY_RULE = "=" * 20


def whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    r"""Joins the pieces of TorchX's log iterator, which may end anywhere in a line, to lines.

    >>> list(whole_lines(["epoch", " 1\n", "epoch 2\n", "end"]))
    ['epoch 1', 'epoch 2', 'end']
    """
    pending = ""
    for piece in pieces:
        pending += piece
        *lines, pending = pending.split("\n")
        yield from lines
    if pending:
        yield pending


class StageLog:
    """Prints a stage's lines as they come, and keeps what explains a failure.

    Of a stage under torchrun, the lines of its processes are printed (rank 0's without the rank)
    and torchrun's own are held back: on a failure it adds some 60 lines of traceback to the one
    that says what was wrong. ``error:`` lines go to stderr, once, whichever rank wrote them.
    """

    def __init__(self, under_torchrun: bool) -> None:
        self._under_torchrun = under_torchrun
        self._in_summary = False
        self._errors: set[str] = set()
        self._held_back: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def found_bad_input(self) -> bool:
        """Whether the stage ended with an ``error:`` line, its word for bad input."""
        return bool(self._errors)

    def show(self, line: str) -> None:
        """Prints one line of the log, or holds it back."""
        if not self._under_torchrun:
            self._print(line, prefix="")
            return
        self._in_summary |= line.startswith(_SUMMARY_RULE)
        match = _RANK_PREFIX.match(line)
        if _WAITING.match(line):
            self._print(line, prefix="")
            return
        if match is None or self._in_summary:
            self._held_back.append(line)
            return
        rank, text = match.groups()
        self._print(text, prefix="" if rank == "0" else f"[{rank}] ")

    def explanation(self) -> list[str]:
        """What a failed stage's launcher said last, where the stage itself named no error."""
        if self._errors:
            return []
        lines = list(self._held_back)
        starts = [i for i, line in enumerate(lines) if line.startswith(_SUMMARY_RULE)]
        return lines[starts[0] :] if starts else lines

    def _print(self, text: str, prefix: str) -> None:
        if not text.startswith(_ERROR):
            print(prefix + text, flush=True)
        elif text not in self._errors:
            self._errors.add(text)
            print(text, file=sys.stderr, flush=True)
