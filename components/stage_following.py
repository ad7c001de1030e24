"""Follows a stage that a scheduler runs: what its nodes say, and what becomes of it."""

import threading
import time
from collections.abc import Callable
from queue import Empty, Queue
from textwrap import shorten
from typing import TypeVar

from torchx.runner import Runner
from torchx.specs import NONE, AppStatus, Role
from torchx.specs.api import is_started

from components.stage_log import StageLog, whole_lines

POLL_S = 1.0
# Before a scheduler whose client failed is asked again; it may be restarting.
PAUSES_S = (1.0, 5.0, 15.0, 30.0)
# A node's number and a line of its log; None instead of a line at the log's end.
Lines = Queue[tuple[int, str | None]]
Answer = TypeVar("Answer")


class NoAnswerError(Exception):
    """A scheduler's client failed as often as it was tried; the job may still run."""


def follow(runner: Runner, handle: str, role: Role, log: StageLog) -> AppStatus | None:
    """Shows the logs of all nodes of a role as they grow; returns the app's last status.

    Rank 0 may be on any node. While the app is in the scheduler's queue, at first or again after a
    failure, it says so. A stage that found its input bad is not run again: it is cancelled.

    Raises:
        NoAnswerError: the scheduler cannot be asked, or does not cancel.
    """
    told = _wait_for_start(runner, handle)
    _show_logs(runner, handle, role, log, told)
    if log.found_bad_input:
        # Where a log ends with each start of the job, as on Kubernetes, it may be started again.
        _cancel(runner, handle)
    while (status := _status(runner, handle)) is not None and not status.is_terminal():
        time.sleep(POLL_S)
    return status


def _wait_for_start(runner: Runner, handle: str) -> str:
    """Says why the app waits, until it has a log to show; returns what was told last."""
    told = ""
    # One that was in the queue at every look, and was started again meanwhile, has one too.
    while (status := _status(runner, handle)) is not None and not (
        is_started(status.state) or status.num_restarts > 0
    ):
        told = _tell(handle, status, told)
        time.sleep(POLL_S)
    return told


def _show_logs(runner: Runner, handle: str, role: Role, log: StageLog, told: str) -> None:
    """Shows what all nodes say until every node's log has ended; ``told`` is why it waited."""
    lines = _read_all(runner, handle, role)
    reading = role.num_replicas
    while reading:
        try:
            node, line = lines.get(timeout=POLL_S)
        except Empty:
            status = _status(runner, handle)
            if status is None or is_started(status.state):
                told = ""
                continue
            told = _tell(handle, status, told)
            if log.found_bad_input:
                _cancel(runner, handle)
            continue
        if line is None:
            reading -= 1
        else:
            log.show(line, node)


def _status(runner: Runner, handle: str) -> AppStatus | None:
    return _answer(lambda: runner.status(handle))


def _cancel(runner: Runner, handle: str) -> None:
    _answer(lambda: runner.cancel(handle))


def message(status: AppStatus) -> str:
    """What the scheduler says of an app's state; empty where it says nothing."""
    return "" if status.msg == NONE else status.msg


def brief(error: Exception) -> str:
    """An error of a scheduler's client in one line; some print whole answers of a server."""
    return shorten(f"{type(error).__name__}: {error}", width=300, placeholder=" ...")


def _answer(call: Callable[[], Answer]) -> Answer:
    """What a call to the scheduler gives, at the first try that gives something."""
    for pause in PAUSES_S:
        try:
            return call()
        except Exception:  # every scheduler's client has errors of its own
            time.sleep(pause)
    try:
        return call()
    except Exception as error:
        raise NoAnswerError(brief(error)) from error


def _tell(handle: str, status: AppStatus, told: str) -> str:
    """Prints why an app waits, unless that is what was told before; returns it."""
    reason = message(status) or status.state.name
    if reason != told:
        print(f"   waiting for {handle}: {reason}", flush=True)
    return reason


def _read_all(runner: Runner, handle: str, role: Role) -> Lines:
    """A queue of what all nodes say, each read by a thread until the app has ended."""
    lines: Lines = Queue()

    def read(node: int) -> None:
        try:
            for line in whole_lines(runner.log_lines(handle, role.name, k=node, should_tail=True)):
                lines.put((node, line))
        except Exception as error:  # its client's own; the state tells how the stage ends
            print(f"   no more of the log of node {node}: {brief(error)}", flush=True)
        finally:
            lines.put((node, None))

    for node in range(role.num_replicas):
        threading.Thread(target=read, args=(node,), daemon=True).start()
    return lines
