"""Metrics of rows that are spread over real processes, for several folders."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from pipeline.metrics.click_metrics import ClickMetrics, ClickResults
from pipeline.metrics.group_rows import GroupRows

EXACT = 1 << 20


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of T tasks: scores and labels (T, B), weights and groups (B,)."""

    scores: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    groups: np.ndarray

    def part(self, begin: int, end: int) -> "Rows":
        columns = (self.scores, self.labels, self.weights, self.groups)
        return Rows(*(column[..., begin:end] for column in columns))


def metrics_here(
    rows: Rows, capacity: int = EXACT, batch_rows: int = 64, unknown: int | None = 0
) -> ClickResults:
    """Collective; the metrics of the rows that the ranks pass."""
    tasks, count = rows.scores.shape
    metrics = ClickMetrics(
        [f"task {task}" for task in range(tasks)], capacity, GroupRows(tasks, count, unknown)
    )
    columns = [torch.from_numpy(column) for column in (rows.scores, rows.labels, rows.weights)]
    for begin in range(0, count, batch_rows):
        batch = [column[..., begin : begin + batch_rows] for column in columns]
        groups = torch.from_numpy(rows.groups[begin : begin + batch_rows])
        metrics.add(batch[0], batch[1], batch[2], groups)
    return metrics.results()


def metrics_of_ranks(
    cases: Sequence[tuple[Rows, Sequence[int], int]], ranks: int, folder: Path
) -> list[list[ClickResults]]:
    """By rank and case, what every process finds.

    Args:
        cases: rows, where to cut them into a part for each rank, and the capacity.
        ranks: the number of processes.
        folder: an empty one.
    """
    multiprocessing.start_processes(
        _work, (cases, ranks, folder), nprocs=ranks, start_method="forkserver"
    )
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(ranks)]


def _work(
    rank: int, cases: Sequence[tuple[Rows, Sequence[int], int]], ranks: int, folder: Path
) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=ranks
    )
    found = []
    for rows, cuts, capacity in cases:
        bounds = [0, *cuts, rows.weights.size]
        found.append(metrics_here(rows.part(bounds[rank], bounds[rank + 1]), capacity))
    (folder / str(rank)).write_bytes(pickle.dumps(found))
    dist.destroy_process_group()
