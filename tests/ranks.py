"""Jobs of several ranks, a process each, forked from one process that has imported torch already.

A rank is there in 0.1 s, where one that torchrun starts imports for 5. What is about torchrun
itself, such as kills and restarts, starts it: ``small_trainings.start_torchrun``.
"""

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pipeline.training.training", "pipeline.training.evaluation"])
TIMEOUT = 600


def run_ranks(program: str | Path, arguments: Sequence[object], processes: int) -> None:
    """Runs a module or a file as so many ranks of one node, which must all succeed."""
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    words = [str(program), *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        ranks = [
            _FORKS.Process(target=_run, args=(words, rank, processes, port, log))
            for rank in range(processes)
        ]
        for process in ranks:
            process.start()
        _join(ranks)
        assert [process.exitcode for process in ranks] == [0] * processes, log.read_text()


def _run(words: list[str], rank: int, processes: int, port: int, log: Path) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }
    sys.argv = words
    if words[0].endswith(".py"):
        runpy.run_path(words[0], run_name="__main__")
    else:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _join(ranks: Sequence[BaseProcess]) -> None:
    """Waits for all of them; when one fails, the others, which may wait for it, are ended."""
    alive = {process.sentinel: process for process in ranks}
    while alive:
        ended = [alive.pop(sentinel) for sentinel in wait(list(alive), TIMEOUT)]
        if not ended or any(process.exitcode for process in ended):
            for process in alive.values():
                process.kill()
    for process in ranks:
        process.join()
