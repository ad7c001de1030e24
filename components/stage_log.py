"""A stage's log as a person reads it: the stage's own words, without torchrun's around them."""

import re
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# Where schedulers keep logs unless .torchxconfig or --cfg says otherwise: TorchX's own default is a
# temporary directory that is gone when the chain ends.
LOG_DIR = "runs/.torchx"
TAIL_LINES = 30
# torchrun --tee puts the rank before every line of a process; its own lines have none.
_RANK_PREFIX = re.compile(r"\[(\d+)\]:(.*)")
# c10d's warnings have no rank when torchrun itself meets them. Those of its sockets tell of a node
# or a host name that it waits for, maybe for minutes, and are shown at once. Those of its store
# tell of a node that has left, as one does before the others at the end of every job.
_WAITING = re.compile(r"\[[WEF]\d{4} \S+ socket\.cpp")
_ERROR = "error: "
# torchrun's closing summary (which rank died first, and of what) stands between such rules.
_SUMMARY_RULE = "=" * 20
_TIME_OF_DEATH = re.compile(r"  time +: (\S+)")


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


@dataclass
class _NodeLog:
    """What torchrun of one node said, and whether it is in the midst of its summary."""

    held_back: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    in_summary: bool = False

    def hold_back(self, line: str) -> None:
        if line.startswith(_SUMMARY_RULE):
            self.in_summary = not self.in_summary
            if self.in_summary:
                # Only the last summary counts: a requeued job may have one of each start.
                self.held_back.clear()
        self.held_back.append(line)

    def time_of_death(self) -> str:
        """When the first process of the node died, as its summary says; of no summary, never."""
        times = [match[1] for line in self.held_back if (match := _TIME_OF_DEATH.match(line))]
        return min(times, default="never")


class StageLog:
    """Prints a stage's lines as they come, and keeps what explains a failure.

    Of a stage under torchrun, the lines of its processes are printed (rank 0's without the rank)
    and torchrun's own are held back: on a failure it adds some 60 lines of traceback to the one
    that says what was wrong. ``error:`` lines go to stderr, once, whichever rank wrote them.
    """

    def __init__(self, under_torchrun: bool) -> None:
        self._under_torchrun = under_torchrun
        self._errors: set[str] = set()
        self._nodes: defaultdict[int, _NodeLog] = defaultdict(_NodeLog)

    @property
    def found_bad_input(self) -> bool:
        """Whether the stage ended with an ``error:`` line, its word for bad input."""
        return bool(self._errors)

    def show(self, line: str, node: int = 0) -> None:
        """Prints one line of a node's log, or holds it back."""
        if not self._under_torchrun or _WAITING.match(line):
            self._print(line, prefix="")
            return
        match = _RANK_PREFIX.match(line)
        if match is None or self._nodes[node].in_summary:
            self._nodes[node].hold_back(line)
            return
        rank, text = match.groups()
        self._print(text, prefix="" if rank == "0" else f"[{rank}] ")

    def explanation(self) -> list[str]:
        """What a failed stage's launcher said last, where the stage itself named no error.

        Of several nodes, those where a process died first: the others' died of that.
        """
        if self._errors:
            return []
        nodes = [self._nodes[number] for number in sorted(self._nodes)]
        first = min((node.time_of_death() for node in nodes), default="never")
        return [line for node in nodes if node.time_of_death() == first for line in node.held_back]

    def _print(self, text: str, prefix: str) -> None:
        if not text.startswith(_ERROR):
            print(prefix + text, flush=True)
        elif text not in self._errors:
            self._errors.add(text)
            print(text, file=sys.stderr, flush=True)
