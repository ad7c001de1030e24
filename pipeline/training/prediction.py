"""Predictions over a whole split, from all ranks to rank 0."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

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
        labels: (rows,) float64.
        probabilities: (rows,) float64.
        gate: ``gate_sums`` over all rows; None for the mean head.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    gate: torch.Tensor | None

    def metrics(self) -> dict[str, float]:
        """AUC, logloss, normalised entropy and calibration over all rows."""
        return {
            "auc": auc(self.labels, self.probabilities),
            "logloss": logloss(self.labels, self.probabilities),
            "normalized_entropy": normalized_entropy(self.labels, self.probabilities),
            "calibration": calibration(self.labels, self.probabilities),
        }


def drain(pipeline: Pipeline, batches: Iterator[Batch]) -> Iterator[Prediction]:
    """The outcomes of all batches, through the pipeline until it is empty."""
    while True:
        try:
            yield pipeline.progress(batches)
        except StopIteration:
            return


@torch.no_grad()
def score_split(
    task: str,
    module: DistributedModelParallel,
    pipeline: Pipeline,
    loader: Loader,
    runtime: Runtime,
) -> ScoredSplit | None:
    """Predicts every row of a split. Collective; rank 0 gets the result, the others None."""
    module.eval()
    outcomes, gates = [], []
    with progress(task, loader.batches_per_epoch, "batches", shown=runtime.is_main) as advance:
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
    logits, labels, weights = torch.cat(parts, dim=1).double()
    real = weights > 0
    return ScoredSplit(labels[real].numpy(), torch.sigmoid(logits[real]).numpy(), gate)
