"""What metrics cost: of a split beside scikit-learn, and of a training's log points.

    python tests/benchmarks/bench_metrics.py [--rows 10000000] [--batch 8192] [--device cpu]

Every contender runs in a process of its own; memory is what it adds to the rows themselves.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.distributed.runtime import start_runtime
from pipeline.metrics.click_metrics import ClickMetrics
from pipeline.metrics.click_window import ClickWindow
from pipeline.metrics.group_rows import GroupRows

GROUPS = 200_000
LOG_EVERY = 20


def rows_of(count: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (1, count) and labels that they calibrate."""
    torch.manual_seed(0)
    logits = torch.randn(1, count, device=device) * 1.2 - 2
    return logits, (torch.rand(1, count, device=device) < torch.sigmoid(logits)).float()


def scikit_learn(count: int, batch: int, device: str) -> Callable[[], str]:
    """AUC and logloss of all rows at once."""
    logits, labels = (column[0].cpu().numpy() for column in rows_of(count, device))

    def run() -> str:
        loss = log_loss(labels, 1 / (1 + np.exp(-logits.astype(np.float64))))
        return f"AUC {roc_auc_score(labels, logits):.9f}, logloss {loss:.9f}"

    return run


def streamed(capacity: int, grouped: bool) -> Callable[[int, int, str], Callable[[], str]]:
    """All metrics, batch by batch."""

    def prepare(count: int, batch: int, device: str) -> Callable[[], str]:
        logits, labels = rows_of(count, device)
        ids = torch.randint(1, GROUPS, (count,), dtype=torch.int32)
        weights = torch.ones(count, device=device)

        def run() -> str:
            groups = GroupRows(1, count, unknown=0) if grouped else None
            metrics = ClickMetrics(["click"], capacity, groups)
            for begin in range(0, count, batch):
                rows = slice(begin, begin + batch)
                metrics.add(
                    logits[:, rows], labels[:, rows], weights[rows], ids[rows] if grouped else None
                )
            found = metrics.results().by_task["click"]
            bound = found.get("auc_error_bound", 0.0)
            return f"AUC {found['auc']:.9f} within {bound:.0e}, logloss {found['logloss']:.9f}"

        return run

    return prepare


CONTENDERS = {
    "scikit-learn: AUC, logloss": scikit_learn,
    "all but GAUC, exact": streamed(1 << 23, grouped=False),
    "all but GAUC, 2^20 cells": streamed(1 << 20, grouped=False),
    "all, exact": streamed(1 << 23, grouped=True),
}


def measured(name: str, count: int, batch: int, device: str) -> tuple[float, float, str]:
    """Seconds, MiB beyond the rows, and the result of a contender."""
    torch.set_num_threads(1)
    with start_runtime("cpu"):
        run = CONTENDERS[name](count, batch, device)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        found = run()
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, (peak - before) / 1024, found


def window_seconds(batch: int, device: str) -> tuple[float, float]:
    """Seconds of adding one batch, and of a log point after 20 of them."""
    logits, labels = rows_of(batch, device)
    weights = torch.ones(batch, device=device)
    window = ClickWindow(["click"])
    adding, looking = [], []
    with start_runtime("cpu"):
        for _ in range(10):
            started = time.perf_counter()
            for _ in range(LOG_EVERY):
                window.add(logits, labels, weights)
            added = time.perf_counter()
            window.metrics()
            adding.append((added - started) / LOG_EVERY)
            looking.append(time.perf_counter() - added)
    return float(np.median(adding)), float(np.median(looking))


def main() -> None:
    """Prints a line a contender, then what a training step pays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=8_192)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    for name in CONTENDERS:
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            arguments = (name, chosen.rows, chosen.batch, chosen.device)
            seconds, memory, found = process.submit(measured, *arguments).result()
        speed = chosen.rows / seconds / 1e6
        print(f"{name:28} {speed:6.2f} million rows/s, {memory:6,.0f} MiB: {found}", flush=True)
    add, look = window_seconds(chosen.batch, chosen.device)
    step = add + look / LOG_EVERY
    print(
        f"training, batches of {chosen.batch:,}: {1e6 * add:.1f} us a step and {1e3 * look:.2f} ms "
        f"a log point of {LOG_EVERY} steps, so 2 % of a step at "
        f"{0.02 * chosen.batch / step:,.0f} samples/s"
    )


if __name__ == "__main__":
    main()
