"""Follows a stage that a scheduler runs: what its nodes say, and what becomes of it."""

import threading
import time
from queue import Empty, Queue

from torchx.runner import Runner
from torchx.specs import NONE, AppStatus, Role
from torchx.specs.api import is_started

from components.stage_log import StageLog, whole_lines

POLL_S = 1.0
# A node's number and a line of its log; None instead of a line at the log's end.
Lines = Queue[tuple[int, str | None]]


def follow(runner: Runner, handle: str, role: Role, log: StageLog) -> AppStatus | None:
    """Shows the logs of all nodes of a role as they grow; returns the app's last status.

    Rank 0 may be on any node. While the app is in the scheduler's queue, at first or again after a
    failure, it says so. A stage that found its input bad is not run again: it is cancelled.
    """
    told = ""
    # One that was in the queue at every look, and was started again meanwhile, has a log to show.
    while (status := runner.status(handle)) is not None and not (
        is_started(status.state) or status.num_restarts > 0
    ):
        told = _tell(handle, status, told)
        time.sleep(POLL_S)
    lines = _read_all(runner, handle, role)
    reading = role.num_replicas
    while reading:
        try:
            node, line = lines.get(timeout=POLL_S)
        except Empty:
            status = runner.status(handle)
            if status is None or is_started(status.state):
                told = ""
                continue
            told = _tell(handle, status, told)
            if log.found_bad_input:
                runner.cancel(handle)
            continue
        if line is None:
            reading -= 1
        else:
            log.show(line, node)
    if log.found_bad_input:
        # Where a log ends with each start of the job, as on Kubernetes, it may be started again.
        runner.cancel(handle)
    return runner.wait(handle, wait_interval=POLL_S)


def message(status: AppStatus) -> str:
    """What the scheduler says of an app's state; empty where it says nothing."""
    return "" if status.msg == NONE else status.msg


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
        finally:
            lines.put((node, None))

    for node in range(role.num_replicas):
        threading.Thread(target=read, args=(node,), daemon=True).start()
    return lines
