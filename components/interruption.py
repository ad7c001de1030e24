"""SIGINT, SIGTERM and SIGHUP as an exception, which may wait for what must not be cut in two."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C, the end that others ask for, and a terminal or connection that is gone.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal came. No ``Exception``, so that nobody's ``except Exception`` keeps it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Turns the signals into ``Interrupted``; under nohup, the end of the terminal is none."""
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def ignore_signals() -> None:
    """From here on nothing breaks in."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Lets the body end before a signal that came meanwhile is raised.

    Raises:
        Interrupted: by the first signal, also where the body ended with an error, maybe of it.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    deferred = [number for number in _SIGNALS if signal.getsignal(number) is _interrupt]
    for number in deferred:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in deferred:
            signal.signal(number, _interrupt)
        if came:
            raise Interrupted(came[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
