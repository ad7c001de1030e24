"""A Dask cluster that is there for one preparation: its scheduler, its workers and their driver.

They find each other by a file that all of them see: the scheduler writes its address there. The
cluster lives as long as its driver: the driver stays connected from its start to its end, and when
the connection ends, for whatever reason, the scheduler stops its workers and itself.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client, Nanny, Scheduler, SchedulerPlugin, rpc

from pipeline.console import InputError
from pipeline.data.whole_files import write_whole

# For processes to come up, which may have to fetch an image of gigabytes first.
PATIENCE_S = 600.0
# Between two looks for the scheduler, and for its answer once its address is known.
POLL_S = 0.5
ANSWER_S = 5.0
DRIVER = "preparing-driver"
# Nothing but this machine's processes reaches it. Who reaches a scheduler can run code there.
THIS_MACHINE = "127.0.0.1"


class _DriverWatch(SchedulerPlugin):
    """Sees the driver come and leave."""

    def __init__(self) -> None:
        self.came, self.left = asyncio.Event(), asyncio.Event()

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        if DRIVER in client:
            self.came.set()

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        if DRIVER in client:
            self.left.set()


async def run_scheduler(scheduler_file: Path, patience_s: float = PATIENCE_S) -> None:
    """Is the scheduler, until the driver has left.

    Args:
        scheduler_file: tells the address; it is gone when the scheduler is.
        patience_s: how long to wait for the driver.

    Raises:
        InputError: when no driver came.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    watch = _DriverWatch()
    # Dask opens the dashboard's port even without one: it answers probes of its health.
    async with Scheduler(
        host=_host(),
        port=0,
        dashboard=False,
        dashboard_address=f"{THIS_MACHINE}:0",
        plugins=[watch],
    ) as scheduler:
        scheduler_file.parent.mkdir(parents=True, exist_ok=True)
        content = {"id": scheduler.id, "address": scheduler.address}
        write_whole(scheduler_file, json.dumps(content).encode())
        print(f"scheduler at {scheduler.address}", flush=True)
        try:
            await asyncio.wait_for(watch.came.wait(), patience_s)
            await watch.left.wait()
            # Before the scheduler goes: workers that meet a closed connection log tracebacks.
            await asyncio.gather(*(_stop(worker.nanny) for worker in scheduler.workers.values()))
        except TimeoutError:
            raise InputError(f"no driver came within {patience_s:.0f} s; see its log") from None
        finally:
            scheduler_file.unlink(missing_ok=True)


async def _stop(nanny: str) -> None:
    """Ends a worker and the nanny that watches over it."""
    with suppress(OSError):
        async with rpc(nanny, timeout=ANSWER_S) as process:
            await process.terminate()


def _host() -> str | None:
    """Where the scheduler listens: None is every network of the machine.

    TorchX names its scheduler in the job's handle; ``local_cwd`` runs all roles on one machine.
    """
    on_this_machine = os.environ.get("TORCHX_JOB_ID", "").startswith("local_cwd:")
    return THIS_MACHINE if on_this_machine else None


async def run_worker(
    scheduler_file: Path, threads: int, memory_mb: int, patience_s: float = PATIENCE_S
) -> None:
    """Is a worker, until the scheduler stops it. Its process is started again when it dies.

    Args:
        scheduler_file: as the scheduler writes it.
        threads: chunks that are worked on at a time.
        memory_mb: above 95% of it, in MB, the process is started anew.
        patience_s: how long to wait for the scheduler.

    Raises:
        InputError: when no scheduler came.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    address = await _find_scheduler(scheduler_file, patience_s)
    async with Nanny(
        address,
        nthreads=threads,
        memory_limit=f"{memory_mb}MB",
        death_timeout=patience_s,
        silence_logs=logging.WARNING,
    ) as nanny:
        print(f"worker of {threads} threads and {memory_mb} MB for {address}", flush=True)
        await nanny.finished()


@contextmanager
def driving(scheduler_file: Path, workers: int, patience_s: float = PATIENCE_S) -> Iterator[str]:
    """Keeps the cluster alive during the body.

    Args:
        scheduler_file: as the scheduler writes it.
        workers: how many to wait for. All of them, so that none looks for a scheduler that has
            done its work already.
        patience_s: how long to wait for the scheduler, and then for the workers.

    Yields:
        The scheduler's address.

    Raises:
        InputError: when the scheduler or a worker did not come.
    """
    address = find_scheduler(scheduler_file, patience_s)
    with Client(address, name=DRIVER, set_as_default=False) as client:
        try:
            client.wait_for_workers(workers, timeout=patience_s)
        except TimeoutError:
            came = len(client.nthreads())
            raise InputError(
                f"{came} of {workers} workers came within {patience_s:.0f} s; see the others' logs"
            ) from None
        yield address


def find_scheduler(scheduler_file: Path, patience_s: float) -> str:
    """The address in a scheduler file, once that very scheduler answers there.

    The file of an earlier run names a scheduler that is gone; another may have its port.

    Raises:
        InputError: when none answers in time.
    """
    return asyncio.run(_find_scheduler(scheduler_file, patience_s))


async def _find_scheduler(scheduler_file: Path, patience_s: float) -> str:
    deadline = time.monotonic() + patience_s
    while (address := await _answering(scheduler_file)) is None:
        if time.monotonic() > deadline:
            found = "it names none that answers" if scheduler_file.exists() else "no such file"
            raise InputError(
                f"{scheduler_file}: no Dask scheduler within {patience_s:.0f} s: {found}; see the "
                "scheduler's log, and whether the file stands where all machines see it"
            )
        await asyncio.sleep(POLL_S)
    return address


async def _answering(scheduler_file: Path) -> str | None:
    """The address in the file, if the scheduler that wrote it answers there."""
    try:
        named = json.loads(scheduler_file.read_text())
        async with rpc(named["address"], timeout=ANSWER_S) as scheduler:
            found = await asyncio.wait_for(scheduler.identity(), ANSWER_S)
    except (OSError, ValueError, KeyError):
        return None
    return named["address"] if found["id"] == named["id"] else None
