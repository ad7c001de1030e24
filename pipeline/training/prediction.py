"""Predictions over a whole split, from all ranks to rank 0."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.distributed as dist
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.train_pipeline import TrainPipelineSparseDist

from pipeline.console import progress
from pipeline.data.batch import Batch
from pipeline.data.loading.loader import Loader
from pipeline.diagnostics.gates import gate_sums
from pipeline.distributed.runtime import Runtime
from pipeline.metrics.auc import auc
from pipeline.metrics.calibration import calibration
from pipeline.metrics.logloss import logloss
from pipeline.metrics.normalized_entropy import normalized_entropy
from pipeline.model.click_task import Prediction

Pipeline: TypeAlias = TrainPipelineSparseDist  # of Batch to Prediction


@dataclass(frozen=True)
class ScoredSplit:
    """What was predicted for a split's rows.

    Attributes:
        tasks: the labels' names, the main one first.
        labels: (T, rows) float64.
        probabilities: (T, rows) float64.
        gate: ``gate_sums`` over all rows; None for the mean head.
    """

    tasks: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    gate: torch.Tensor | None

    def metrics(self) -> dict[str, Any]:
        """The main task's metrics over all rows; those of each by name in ``tasks`` of several."""
        by_task = dict(zip(self.tasks, map(_metrics, self.labels, self.probabilities), strict=True))
        main = by_task[self.tasks[0]]
        return main if len(by_task) == 1 else {**main, "tasks": by_task}


def _metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """AUC, logloss, normalised entropy and calibration of a task."""
    return {
        "auc": auc(labels, probabilities),
        "logloss": logloss(labels, probabilities),
        "normalized_entropy": normalized_entropy(labels, probabilities),
        "calibration": calibration(labels, probabilities),
    }


def total_loss(metrics: dict[str, Any], weights: Sequence[float]) -> float:
    """What training minimises, without penalties: the weighted sum of the tasks' loglosses."""
    by_task = metrics["tasks"].values() if "tasks" in metrics else [metrics]
    losses = [of_task["logloss"] for of_task in by_task]
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True))


def drain(pipeline: Pipeline, batches: Iterator[Batch]) -> Iterator[Prediction]:
    """The outcomes of all batches, through the pipeline until it is empty."""
    while True:
        try:
            yield pipeline.progress(batches)
        except StopIteration:
            return


@torch.no_grad()
def score_split(
    title: str,
    module: DistributedModelParallel,
    pipeline: Pipeline,
    loader: Loader,
    runtime: Runtime,
) -> ScoredSplit | None:
    """Predicts every row of a split. Collective; rank 0 gets the result, the others None.

    Args:
        title: of the progress shown.
        module: the model.
        pipeline: that feeds it.
        loader: of the split, with the labels of the model's tasks.
        runtime: this rank's place.
    """
    module.eval()
    outcomes, gates = [], []
    with progress(title, loader.batches_per_epoch, "batches", shown=runtime.is_main) as advance:
        for outcome in drain(pipeline, loader.epoch(0)):
            rows = [outcome.logits, outcome.labels, outcome.weights.unsqueeze(0)]
            outcomes.append(torch.cat(rows).cpu())
            if outcome.gate is not None:
                gates.append(gate_sums(outcome.gate, outcome.weights).cpu())
            advance(1)
    module.train()
    gate = sum(gates[1:], gates[0]) if gates else None
    if gate is not None:
        dist.all_reduce(gate)
    # The ranks' batches are equally long, so their parts of the split are too.
    local = torch.cat(outcomes, dim=1)
    if not runtime.is_main:
        dist.gather(local)
        return None
    parts = [torch.empty_like(local) for _ in range(runtime.world_size)]
    dist.gather(local, parts)
    rows_of_all = torch.cat(parts, dim=1).double()
    real = rows_of_all[:, rows_of_all[-1] > 0]
    logits, labels = real[:-1].chunk(2)
    return ScoredSplit(loader.labels, labels.numpy(), torch.sigmoid(logits).numpy(), gate)
