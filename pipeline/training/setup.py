"""Builds what a spec describes: the model sharded over ranks, its optimizers, the loaders."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torchrec.distributed.types import ShardingEnv2D
from torchrec.optim.keyed import KeyedOptimizer

from pipeline.data.loading.loader import Loader
from pipeline.data.manifest import Manifest
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharding import ShardedModel, shard_model
from pipeline.distributed.table_copies import AveragedCopies
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding, ParameterCount
from pipeline.spec import Spec
from pipeline.spec_training import EmbeddingOptimizerSpec
from pipeline.training.compilation import compile_dense_part
from pipeline.training.optimizers import Optimizers, build_optimizers
from pipeline.training.pipelines import build_pipeline
from pipeline.training.prediction import Pipeline
from pipeline.training.run_directory import RunDirectory
from pipeline.training.step_phases import StepPhases, TimedStep
from pipeline.training.tasks import task_labels


@dataclass(frozen=True)
class Predictor:
    """A sharded model on this rank's device, and the pipeline that feeds it."""

    model: ShardedModel
    pipeline: Pipeline
    parameters: ParameterCount


@dataclass(frozen=True)
class Training(Predictor):
    """A sharded model with the optimizers that its pipeline steps, and the time that it takes."""

    optimizers: Optimizers
    phases: StepPhases


def build_predictor(spec: Spec, manifest: Manifest, runtime: Runtime) -> Predictor:
    """The model at its starting values, sharded, to be filled and to predict. Collective.

    It never steps: whatever optimizer trained it, its tables have SGD, which keeps no moments and
    runs under every sharding type on every device.
    """
    unstepped = EmbeddingOptimizerSpec(name="sgd")
    spec = spec.model_copy(update={"embedding_optimizer": unstepped})
    model, parameters = _build_model(spec, manifest, runtime, compiled=False)
    optimizer = model.module.fused_optimizer
    pipeline = build_pipeline(spec.train.pipeline, model.module, optimizer, runtime.device)
    return Predictor(model, pipeline, parameters)


def build_training(spec: Spec, manifest: Manifest, runtime: Runtime) -> Training:
    """The model at its starting values, sharded, with its optimizers. Collective."""
    model, parameters = _build_model(spec, manifest, runtime, spec.train.compile)
    optimizers = build_optimizers(model, spec)
    phases = StepPhases(runtime.device)
    phases.watch(model.module)
    stepped = TimedStep(_averaged(optimizers.combined, model), phases)
    pipeline = build_pipeline(spec.train.pipeline, model.module, stepped, runtime.device)
    return Training(model, pipeline, parameters, optimizers, phases)


def _averaged(optimizer: KeyedOptimizer, model: ShardedModel) -> KeyedOptimizer:
    """The optimizer; where the tables have copies, with their average after its step."""
    if isinstance(model.environment, ShardingEnv2D):
        return AveragedCopies(optimizer, model.module, model.environment)
    return optimizer


def _build_model(
    spec: Spec, manifest: Manifest, runtime: Runtime, compiled: bool
) -> tuple[ShardedModel, ParameterCount]:
    """Every rank builds the dense part from the same seed, so that all begin alike."""
    torch.manual_seed(spec.run.seed)
    model = MultiEmbedding(
        manifest.fields,
        spec.model,
        spec.train.precision,
        device=torch.device("meta"),
        dense_fields=[field.name for field in manifest.dense],
    )
    if compiled:
        compile_dense_part(model)
    parameters = model.count_parameters()
    stored_plan = RunDirectory(spec.run_directory).plan_record_file
    task = ClickTask(model, spec.model)
    return shard_model(task, spec, runtime, stored_plan), parameters


def training_loader(spec: Spec, manifest: Manifest, runtime: Runtime) -> Loader:
    """The train split in global batches of ``train.batch_size``, shuffled anew every epoch."""
    return Loader(
        Path(spec.dataset_directory),
        manifest,
        "train",
        batch_size=spec.train.batch_size,
        rank=runtime.rank,
        world_size=runtime.world_size,
        window_rows=spec.train.window_rows,
        shuffle_seed=spec.run.seed,
        labels=task_labels(spec.model, manifest),
        device=runtime.device,
    )


def scoring_loader(spec: Spec, manifest: Manifest, runtime: Runtime, split: str) -> Loader:
    """A split in its own order, in global batches of ``evaluate.batch_size``."""
    return Loader(
        Path(spec.dataset_directory),
        manifest,
        split,
        batch_size=spec.evaluate.batch_size,
        rank=runtime.rank,
        world_size=runtime.world_size,
        window_rows=spec.train.window_rows,
        shuffle_seed=None,
        labels=task_labels(spec.model, manifest),
        device=runtime.device,
    )
