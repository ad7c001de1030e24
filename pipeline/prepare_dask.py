"""Prepares raw click logs on a Dask cluster of its own: the cluster's three kinds of processes.

    python -m pipeline.prepare_dask scheduler --scheduler-file FILE
    python -m pipeline.prepare_dask worker --scheduler-file FILE --threads 2 --memory-mb 8192
    python -m pipeline.prepare_dask driver --scheduler-file FILE --workers 4 SPEC [key=value ...]

Start one scheduler, one driver and as many workers as the driver waits for, in any order, on any
machines; ``torchx run mep.prepare --workers 4 --spec SPEC`` does. FILE is where the scheduler tells
its address; take a new name for every run. All must see it, and workers and driver the dataset's
directory, at the same paths; the driver alone reads the sources. It does what ``python -m
pipeline.prepare SPEC`` does, and ends as it ends. When it has ended, or died, the scheduler and the
workers end too. A worker that dies is started again, and its work given to others.

Exit codes: 0 done, 2 bad input, 130 interrupted (143 by SIGTERM). It needs ``pip install
'multi-embedding-pipeline[dask]'``.
"""

import argparse
import asyncio
from pathlib import Path

from pipeline import prepare
from pipeline.console import run_entry_point
from pipeline.data.preparation.engines import require_dask


def main(arguments: list[str]) -> None:
    """Is the process that the first argument names."""
    options = _parser().parse_args(arguments)
    require_dask()
    from pipeline.data.preparation.dask_cluster import driving, run_scheduler, run_worker

    if options.kind == "scheduler":
        asyncio.run(run_scheduler(options.scheduler_file))
    elif options.kind == "worker":
        asyncio.run(run_worker(options.scheduler_file, options.threads, options.memory_mb))
    else:
        with driving(options.scheduler_file, options.workers) as address:
            engine = ["prepare.engine=dask", f"prepare.scheduler={address}"]
            prepare.main([options.spec, *options.overrides, *engine])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.prepare_dask",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="scheduler | worker | driver")
    scheduler = kinds.add_parser("scheduler")
    worker = kinds.add_parser("worker")
    driver = kinds.add_parser("driver")
    for kind in (scheduler, worker, driver):
        kind.add_argument(
            "--scheduler-file",
            type=Path,
            required=True,
            metavar="FILE",
            help="tells the scheduler's address; its name ends in .json",
        )
    worker.add_argument("--threads", type=int, required=True, help="chunks at a time")
    worker.add_argument("--memory-mb", type=int, required=True, help="restarted above 95%% of it")
    driver.add_argument("--workers", type=int, required=True, help="how many to wait for")
    driver.add_argument("spec", metavar="SPEC", help="path of the experiment spec")
    # Whatever follows is for the stage to judge, once the cluster knows that its driver is there.
    driver.add_argument("overrides", nargs=argparse.REMAINDER, metavar="[key=value ...]")
    return parser


if __name__ == "__main__":
    run_entry_point(main)
