"""What a person at a terminal sees: progress, results, and one clear line for bad input."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

PLAIN_INTERVAL_S = 5.0
# Of a URL: who asks, by a password or a token, and a query, which may be signed.
_USER = re.compile(r"(?:(?<=http://)|(?<=https://))[^/?#\s]+@|(?<=://)[^/?#\s]*:[^/?#\s]*@")
_QUERY = re.compile(r"""(\bhttps?://[^?\s'"]*)\?[^\s'"]*?(?=[,:;.)\]]*(?:[\s'"]|$))""")


class InputError(Exception):
    """Bad input. The message names the file, line or key, what was found and what to do."""


def run_entry_point(main: Callable[[list[str]], None]) -> None:
    """Runs a stage's ``main`` on the command line's arguments and exits.

    Exit codes: 0 done, 2 bad input (a line on stderr for each fault, no traceback), 130
    interrupted by Ctrl-C, 143 by SIGTERM. A rank of several dies of SIGTERM at once.
    """
    if "RANK" not in os.environ:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        main(sys.argv[1:])
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {without_credentials(line)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interruption:
        print("interrupted: what is whole is kept; the same command goes on", file=sys.stderr)
        sys.exit(128 + (interruption.args[0] if interruption.args else signal.SIGINT))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def without_credentials(text: str) -> str:
    """A text in whose URLs passwords, tokens and queries are ``***``.

    >>> without_credentials("https://reader:secret@host/log.csv?signature=1: no such file")
    'https://***@host/log.csv?***: no such file'
    """
    return _QUERY.sub(r"\1?***", _USER.sub("***@", text))


def spec_arguments(arguments: list[str], usage: str | None) -> tuple[str, list[str]]:
    """Splits ``SPEC [key=value ...]``; prints ``usage`` and exits on ``--help``."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print((usage or "").strip())
        sys.exit(0)
    if not arguments:
        raise InputError("a spec file is needed: SPEC [key=value ...]")
    return arguments[0], arguments[1:]


def print_whole(console: Console, table: Table) -> None:
    """Prints a table, wider than the terminal rather than cut.

    A figure without its last digits is another figure.
    """
    wanted = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    console.width = max(console.width, wanted)
    console.print(table)


class Advance(Protocol):
    """Tells a progress display that ``count`` more units are done."""

    def __call__(self, count: int, note: str | None = None) -> None:
        """``note`` stands beside the bar; None leaves the one before."""


@contextmanager
def progress(task: str, total: int, unit: str, shown: bool = True) -> Iterator[Advance]:
    """Shows how far a long task is: a bar at a terminal, plain lines elsewhere.

    Not ``shown``, it is silent, as all ranks but one are.

    Yields:
        ``advance(count, note)``: ``count`` more units are done; ``note`` stands beside the bar.
    """
    if not shown:
        yield _silent
        return
    if not sys.stderr.isatty():
        yield _plain_lines(task, total, unit)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        identity = bar.add_task(task, total=total, note="")

        def advance(count: int, note: str | None = None) -> None:
            bar.update(identity, advance=count)
            if note is not None:
                bar.update(identity, note=note)

        yield advance


def _silent(count: int, note: str | None = None) -> None:
    """Progress that nobody sees."""


def _plain_lines(task: str, total: int, unit: str) -> Advance:
    done, printed_at, latest = 0, time.monotonic(), ""

    def advance(count: int, note: str | None = None) -> None:
        nonlocal done, printed_at, latest
        done += count
        latest = note if note is not None else latest
        now = time.monotonic()
        if done - count < total <= done or now - printed_at >= PLAIN_INTERVAL_S:
            printed_at = now
            print(
                f"{task}: {done:,} / {total:,} {unit} {latest}".rstrip(),
                file=sys.stderr,
                flush=True,
            )

    return advance
