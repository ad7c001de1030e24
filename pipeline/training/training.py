"""Trains what a spec describes, into its run directory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch.distributed as dist
from torch import nn

from pipeline.console import InputError
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.distributed.plan import describe_plan
from pipeline.distributed.runtime import Runtime
from pipeline.model.batch_norm import SetBatchNorm
from pipeline.spec import Spec
from pipeline.training.launches import record_launch
from pipeline.training.precision import describe_precision
from pipeline.training.prediction import check_group_field
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training
from pipeline.training.tasks import task_labels
from pipeline.training.trainer import Trainer


def train(spec: Spec, runtime: Runtime) -> None:
    """Trains into ``run.directory``. Collective.

    Raises:
        InputError: the dataset is not whole, the optimizer does not fit sharding and device, or
            another training is at work in the directory.
    """
    manifest = read_manifest(spec.dataset_directory)
    _check_splits(spec, manifest)
    check_group_field(spec.evaluate, manifest)
    directory = RunDirectory(spec.run_directory)
    training = build_training(spec, manifest, runtime)
    check_batch(spec, training.model.module, runtime)
    # Not before, so that what is refused above leaves no directory.
    with _alone(directory, runtime):
        _train(spec, manifest, runtime, training, directory)


@contextmanager
def _alone(directory: RunDirectory, runtime: Runtime) -> Iterator[None]:
    """Keeps other trainings out of the directory. What keeps rank 0 from it ends every rank."""
    with ExitStack() as held:
        refusal: list[str | None] = [None]
        if runtime.is_main:
            try:
                held.enter_context(directory.lock())
            except InputError as error:
                refusal = [str(error)]
        dist.broadcast_object_list(refusal)
        if refusal[0] is not None:
            raise InputError(refusal[0])
        yield


def _train(
    spec: Spec, manifest: Manifest, runtime: Runtime, training: Training, directory: RunDirectory
) -> None:
    if runtime.is_main:
        sharded = training.model
        plan = describe_plan(sharded.plan, sharded.tables, sharded.group)
        directory.begin(spec, manifest, plan, sharded.plan_record)
        record_launch(directory, "train")
        print(_describe(spec, manifest, runtime, training), flush=True)
    facts = Trainer(spec, manifest, runtime, training, directory).train()
    facts |= {
        "processes": runtime.world_size,
        "device": runtime.device.type,
        "embedding_optimizer_semantics": training.optimizers.semantics,
    }
    if runtime.is_main:
        directory.finish(spec, manifest, facts)
        print(
            f"{directory.path}: trained {facts['steps']:,} steps, to epoch {facts['epochs']}, at "
            f"{facts['samples_per_second']:,.0f} samples/s, best is epoch {facts['best_epoch']}"
        )


def _check_splits(spec: Spec, manifest: Manifest) -> None:
    """Refuses splits on which AUC is undefined, before any time is spent."""
    for label in task_labels(spec.model, manifest):
        of_label = f" of {label!r}" if len(manifest.labels) > 1 else ""
        for name, split in manifest.splits.items():
            positives = split.positives[label]
            if not 0 < positives < split.rows:
                raise InputError(
                    f"{spec.dataset_directory}: the {name} split has {positives:,} positives"
                    f"{of_label} among {split.rows:,} rows, so it has no AUC; prepare another split"
                )


def check_batch(spec: Spec, module: nn.Module, runtime: Runtime) -> None:
    """Holds that what normalises rows by each other has two of them in a whole batch.

    Raises:
        InputError: it has one, so all rows would become equal.
    """
    norms = [one for one in module.modules() if isinstance(one, SetBatchNorm)]
    size, ranks = spec.train.batch_size, runtime.world_size
    if any(size == 1 or (size <= ranks and not norm.synchronized) for norm in norms):
        raise InputError(
            f"train.batch_size = {size} (processes: {ranks}) leaves one row to normalise "
            f"with model.normalization = {spec.model.normalization!r}, which makes all rows equal; "
            "set a larger train.batch_size, or model.normalization to 'layer' or 'none'"
        )


def _describe(spec: Spec, manifest: Manifest, runtime: Runtime, training: Training) -> str:
    """What is about to be trained, on what, and why there."""
    groups = ", ".join(group.label for group in spec.model.resolved_groups)
    parameters, fields = training.parameters, len(manifest.fields) + len(manifest.dense)
    updates = f"{training.optimizers.semantics} updates{_accumulation(spec)}"
    return "\n".join(
        [
            f"{spec.run.directory}: {groups}, {spec.model.head} head, {spec.model.tables} tables",
            f"data: {manifest.splits['train'].rows:,} train rows, {fields} fields",
            f"parameters: {parameters.embedding:,} embedding, {parameters.dense:,} dense",
            f"embedding optimizer: {spec.embedding_optimizer.name}, {updates}",
            f"device: {runtime.world_size} x {runtime.device.type} ({runtime.reason})",
            describe_precision(spec.train.precision, runtime.device),
        ]
    )


def _accumulation(spec: Spec) -> str:
    """What waits for a step, where anything does."""
    if spec.train.accumulate == 1:
        return ""
    return f"; steps of {spec.train.accumulate} batches, sharded tables at every batch"
