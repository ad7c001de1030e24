"""Where the work on chunks runs: threads of this process, or the workers of a Dask cluster.

Both are executors of ``concurrent.futures``; the functions that they run are the same ones.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from pipeline.console import InputError
from pipeline.data.threads import thread_count
from pipeline.spec import PrepareSpec

Item = TypeVar("Item")
Result = TypeVar("Result")

# As long as Dask itself waits for a connection.
ANSWER_S = 30.0


class ClusterLostError(InputError):
    """The Dask cluster failed; what is done is kept for the next run."""


@dataclass(frozen=True)
class Engine:
    """An executor and how much it works on at a time.

    Attributes:
        executor: runs functions of a module's top level, whose arguments can be pickled.
        slots: calls that run at the same time.
    """

    executor: Executor
    slots: int

    def ordered_map(
        self, work: Callable[[Item], Result], items: Iterable[Item], waiting: int
    ) -> Iterator[Result]:
        """Yields ``work(item)`` in the items' order.

        Args:
            work: what to do.
            items: taken one by one, as room for them arises.
            waiting: how many items may be in flight beyond the slots.
        """
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(self.executor.submit(work, item))
            if len(pending) >= self.slots + waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def open_engine(prepare: PrepareSpec) -> Iterator[Engine]:
    """The spec's engine; work that waits is dropped when the body ends, with an error or without.

    Raises:
        InputError: when there is no Dask, or no scheduler that answers.
    """
    if prepare.engine == "dask":
        with _dask(prepare.scheduler) as engine:
            yield engine
        return
    threads = thread_count(prepare.threads)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare")
    try:
        yield Engine(pool, threads)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def require_dask() -> None:
    """Raises an ``InputError`` where Dask is not installed: it is an extra."""
    if find_spec("distributed") is None:
        raise InputError(
            "preparing on Dask needs the package distributed: "
            "pip install 'multi-embedding-pipeline[dask]'"
        )


@contextmanager
def _dask(scheduler: str) -> Iterator[Engine]:
    require_dask()
    import dask
    from distributed import Client, KilledWorker

    # A block of rows travels in its task, so that it survives the worker that it was sent to. Dask
    # warns of tasks above 10 MB.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})
    # Of a lost scheduler it logs tracebacks; the error below says it in a line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(_address(scheduler), set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"prepare.scheduler: {scheduler}: no Dask scheduler: {error}") from None
    with client:
        slots = sum(client.nthreads().values())
        if not slots:
            raise InputError(f"prepare.scheduler: {scheduler}: the scheduler has no workers")
        try:
            # A task is not pure: it writes a file, which an equal one before may not have.
            yield Engine(client.get_executor(pure=False), slots)
        except KilledWorker as error:
            raise ClusterLostError(
                f"prepare.scheduler: {scheduler}: workers died again and again, most likely for "
                f"want of memory: {error}; give them more and start again: what is done is kept"
            ) from None
        except CancelledError:
            raise ClusterLostError(
                f"prepare.scheduler: {scheduler}: the connection to the scheduler was lost; start "
                "again: what is done is kept and taken up"
            ) from None


def _address(scheduler: str) -> str:
    """An address as it is, or the one in a scheduler file."""
    if not scheduler.endswith(".json"):
        return scheduler
    from pipeline.data.preparation.dask_cluster import find_scheduler

    return find_scheduler(Path(scheduler), ANSWER_S)
