"""Runs the cells of a study through the TorchX Runner, some at a time.

A cell is a process of ``python -m components.chain``, which runs its stages on any scheduler and
skips those that are done. Its output goes to ``logs/<cell>.log`` beside the run directories.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import InputError
from pipeline.spec_study import LaunchSpec
from pipeline.study.cells import Cell, datasets_of
from pipeline.study.results import Result, read_result
from pipeline.training.already_done import is_evaluated

POLL_S = 0.2
EXPLAINING_LINES = 8
Say = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """A cell that has no result, its log and what the log ends with."""

    cell: Cell
    log: Path
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Running:
    """A process at work, in one of the places for those that run at the same time."""

    cell: Cell
    process: subprocess.Popen[bytes]
    log: Path
    began: float


def prepare(cells: Sequence[Cell], launch: LaunchSpec, say: Say) -> list[Failure]:
    """Prepares each dataset once, so that cells that start together find it whole.

    Returns:
        The cells whose dataset could not be prepared.
    """
    failures = []
    for first in datasets_of(cells):
        log = _logs(first) / f"{first.dataset.name}.log"
        say(f"{first.dataset}: preparing, log {log}")
        running = _start(first, launch, log, 0, ["--only", "prepare"])
        with _all_ended([running]):
            if running.process.wait() == 0:
                continue
        lines = _last_lines(log)
        failures += [Failure(cell, log, lines) for cell in cells if cell.dataset == first.dataset]
        say(f"{first.dataset}: FAILED; {log} ends with\n{_indented(lines)}")
    return failures


@dataclass(frozen=True)
class Standing:
    """How the cells of a study stand whose datasets are prepared.

    Attributes:
        finished: those that are evaluated.
        waiting: those to run.
        failed: those that cannot be run.
    """

    finished: tuple[Cell, ...]
    waiting: tuple[Cell, ...]
    failed: tuple[Failure, ...]


def standing_of(cells: Sequence[Cell]) -> Standing:
    """Looks into every cell's run directory."""
    finished: list[Cell] = []
    waiting: list[Cell] = []
    failed: list[Failure] = []
    for cell in cells:
        try:
            done = is_evaluated(cell.load())
        except InputError as error:
            failed.append(Failure(cell, cell.directory, tuple(str(error).splitlines())))
            continue
        (finished if done else waiting).append(cell)
    return Standing(tuple(finished), tuple(waiting), tuple(failed))


def run_cells(
    cells: Sequence[Cell], launch: LaunchSpec, say: Say
) -> Generator[Result | Failure, None, None]:
    """Keeps ``cells_at_once`` cells at work until none is left.

    A failure does not stop the others. Closing the iterator, Ctrl-C and SIGTERM stop all that runs.

    Args:
        cells: the runs, in the order in which they start.
        launch: how.
        say: takes a line for each thing that happens.

    Yields:
        Each cell's figures when it is done, or its failure.
    """
    places: dict[int, _Running] = {}
    queue, ended = list(cells), 0
    with _all_ended(places.values()):
        while queue or places:
            for place in range(launch.cells_at_once):
                if place not in places and queue:
                    cell = queue.pop(0)
                    log = _logs(cell) / f"{cell.directory.name}.log"
                    say(f"{cell.name}: started, log {log}")
                    places[place] = _start(cell, launch, log, place, [])
            time.sleep(POLL_S)
            for place, running in list(places.items()):
                if running.process.poll() is not None:
                    del places[place]
                    ended += 1
                    yield _ended(running, f"[{ended}/{len(cells)}]", say)


def _ended(running: _Running, count: str, say: Say) -> Result | Failure:
    """Says how a cell ended, and gives what came of it."""
    cell, seconds = running.cell, f"{time.monotonic() - running.began:.0f} s"
    if running.process.returncode == 0:
        result = read_result(cell)
        say(f"{count} {cell.name}: done in {seconds}, test AUC {result.auc:.5f}")
        return result
    lines = _last_lines(running.log)
    say(f"{count} {cell.name}: FAILED after {seconds}; {running.log} ends with\n{_indented(lines)}")
    return Failure(cell, running.log, lines)


def _start(
    cell: Cell, launch: LaunchSpec, log: Path, place: int, options: Sequence[str]
) -> _Running:
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "components.chain", "--spec", str(cell.spec_file)]
    command += ["--scheduler", launch.scheduler, *options]
    command += ["--cfg", launch.cfg] if launch.cfg else []
    command += ["-j", launch.processes] if launch.processes else []
    gpus = {"CUDA_VISIBLE_DEVICES": launch.gpus[place]} if launch.gpus else {}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--", *cell.overrides],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **gpus},
        )
    return _Running(cell, process, log, time.monotonic())


@contextmanager
def _all_ended(running: Collection[_Running]) -> Iterator[Collection[_Running]]:
    """Whatever happens in the body, nothing of it runs on: the chain cancels on SIGTERM."""
    try:
        yield running
    finally:
        left = [one.process for one in running if one.process.poll() is None]
        for process in left:
            process.terminate()
        for process in left:
            process.wait()


def _logs(cell: Cell) -> Path:
    return cell.directory.parent / "logs"


def _last_lines(log: Path) -> tuple[str, ...]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return tuple(line for line in text.splitlines() if line.strip())[-EXPLAINING_LINES:]


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
