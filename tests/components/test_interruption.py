"""Signals as exceptions."""

import signal
from collections.abc import Iterator

import pytest

from components.interruption import Interrupted, raise_on_signals, signals_deferred

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers_put_back() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@signals_deferred()
def interrupted(number: signal.Signals, steps: list[str]) -> None:
    signal.raise_signal(number)
    steps.append("the rest")


@signals_deferred()
def interrupted_and_failed() -> None:
    signal.raise_signal(signal.SIGINT)
    raise OSError("the client was killed by the same Ctrl-C")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_waits_for_what_must_end(number: signal.Signals) -> None:
    raise_on_signals()
    steps: list[str] = []
    with pytest.raises(Interrupted) as caught:
        interrupted(number, steps)
    assert steps == ["the rest"]
    assert caught.value.exit_code == 128 + number


def test_an_error_of_what_was_interrupted_counts_as_the_interruption() -> None:
    raise_on_signals()
    with pytest.raises(Interrupted):
        interrupted_and_failed()


def test_after_it_signals_are_raised_at_once() -> None:
    raise_on_signals()
    with signals_deferred():
        pass
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGHUP)


def test_under_nohup_the_end_of_the_terminal_is_no_signal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise_on_signals()
    with signals_deferred():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
