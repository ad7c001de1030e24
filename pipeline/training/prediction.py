"""Predictions over a whole split, and their metrics over all ranks' rows."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.train_pipeline import TrainPipelineSparseDist

from pipeline.console import InputError, progress
from pipeline.data.batch import Batch
from pipeline.data.loading.loader import Loader
from pipeline.data.manifest import Manifest
from pipeline.diagnostics.gates import gate_sums
from pipeline.distributed.runtime import Runtime
from pipeline.metrics.click_metrics import ClickMetrics, ClickResults
from pipeline.metrics.group_rows import GroupRows
from pipeline.model.click_task import Prediction
from pipeline.spec_training import EvaluateSpec

Pipeline: TypeAlias = TrainPipelineSparseDist  # of Batch to Prediction


@dataclass(frozen=True)
class ScoredSplit:
    """What was predicted for a split's rows, on all ranks together.

    Attributes:
        tasks: the labels' names, the main one first.
        results: the metrics.
        gate: ``gate_sums`` over all rows; None for the mean head.
    """

    tasks: tuple[str, ...]
    results: ClickResults
    gate: torch.Tensor | None

    def metrics(self) -> dict[str, Any]:
        """The main task's metrics over all rows; those of each by name in ``tasks`` of several."""
        by_task = self.results.by_task
        main = by_task[self.tasks[0]]
        return main if len(by_task) == 1 else {**main, "tasks": by_task}


def total_loss(metrics: dict[str, Any], weights: Sequence[float]) -> float:
    """What training minimises, without penalties: the weighted sum of the tasks' loglosses."""
    by_task = metrics["tasks"].values() if "tasks" in metrics else [metrics]
    losses = [of_task["logloss"] for of_task in by_task]
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True))


def check_group_field(spec: EvaluateSpec, manifest: Manifest) -> None:
    """Holds that ``evaluate.group_field`` can tell groups apart, before any time is spent.

    Raises:
        InputError: there is no such field, or it has several values a row, or no ids.
    """
    found = {
        field.name: "has several values a row" if field.kind == "multi_valued" else ""
        for field in manifest.fields
    }
    found |= {dense.name: "is dense and has no ids" for dense in manifest.dense}
    if spec.group_field and (reason := found.get(spec.group_field, "is no field of the dataset")):
        single = ", ".join(name for name, reason in found.items() if not reason)
        raise InputError(
            f"evaluate.group_field = {spec.group_field!r} {reason}; name one of {single}, or none"
        )


def check_finite(split: str, metrics: Mapping[str, Any]) -> None:
    """Holds that what ``ScoredSplit.metrics`` gives are numbers: nan would stay the best.

    Raises:
        InputError: one is not finite, because a prediction is not.
    """
    several = metrics.get("tasks")
    for label, figures in several.items() if several else [("", metrics)]:
        for name, value in figures.items():
            if not math.isfinite(value):
                raise InputError(
                    f"the {split} split's {name}{f' of {label!r}' if label else ''} is {value}, "
                    "because the model predicts no number for some of its rows; look for extreme "
                    "values in dense fields (overview.html of the dataset), or train with lower "
                    "learning rates in another run.directory"
                )


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
    spec: EvaluateSpec,
) -> ScoredSplit:
    """Predicts every row of a split. Collective; every rank gets the same.

    Args:
        title: of the progress shown.
        module: the model.
        pipeline: that feeds it.
        loader: of the split, with the labels of the model's tasks.
        runtime: this rank's place.
        spec: what is measured.

    Raises:
        InputError: no group of ``evaluate.group_field`` has both classes, so there is no GAUC.
    """
    module.eval()
    metrics = ClickMetrics(loader.labels, spec.auc_cells, _group_rows(loader, spec))
    gates = []
    group_ids: deque[torch.Tensor] = deque()
    batches = _noting_groups(loader.epoch(0), spec.group_field, group_ids)
    with progress(title, loader.batches_per_epoch, "batches", shown=runtime.is_main) as advance:
        for outcome in drain(pipeline, batches):
            ids = group_ids.popleft() if spec.group_field else None
            metrics.add(outcome.logits, outcome.labels, outcome.weights > 0, ids)
            if outcome.gate is not None:
                gates.append(gate_sums(outcome.gate, outcome.weights))
            advance(1)
    module.train()
    gate = sum(gates[1:], gates[0]).cpu() if gates else None
    if gate is not None:
        dist.all_reduce(gate)
    results = metrics.results()
    _check_groups(title, spec, results)
    return ScoredSplit(loader.labels, results, gate)


def _group_rows(loader: Loader, spec: EvaluateSpec) -> GroupRows | None:
    """What takes the rows by group; None where no GAUC is wanted."""
    if not spec.group_field:
        return None
    (unknown,) = (field.unknown_id for field in loader.fields if field.name == spec.group_field)
    return GroupRows(len(loader.labels), loader.rows, unknown)


def _noting_groups(
    batches: Iterator[Batch], field: str, noted: deque[torch.Tensor]
) -> Iterator[Batch]:
    """The batches, with the ids of their rows' groups noted on their way into the pipeline.

    Its outcomes come in the same order, some batches later.
    """
    for batch in batches:
        if field:
            # A copy: a view would keep the whole batch.
            noted.append(batch.features[field].values().int())
        yield batch


def _check_groups(title: str, spec: EvaluateSpec, results: ClickResults) -> None:
    for label, figures in results.by_task.items():
        if figures.get("gauc_groups") == 0:
            raise InputError(
                f"{title}: no value of evaluate.group_field = {spec.group_field!r} has rows of "
                f"both classes of {label!r}, so there is no GAUC; name another field, or none"
            )
