"""The counts of steps in a checkpoint: replicated tables and sharded ones have their own."""

from collections.abc import Callable

import pytest
import torch

from pipeline.distributed.runtime import start_runtime
from pipeline.training.checkpoints import state
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.checkpoints.record import CheckpointRecord, TensorEntry
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.setup import Training

REPLICATED, SHARDED = "embedding_optimizer.replicated_step", "embedding_optimizer.step"


def record_of(*names: str) -> CheckpointRecord:
    tensors = dict.fromkeys(names, TensorEntry("float32", (), ()))
    return CheckpointRecord(Progress(EarlyStopping("auc", 3)), {}, tensors, {})


def loaded(training: Training, record: CheckpointRecord, values: dict[str, float]) -> set[str]:
    """Loads as a checkpoint of these values would; returns the names that were asked for."""
    module, optimizers = training.model.module, training.optimizers
    targets = state.tensors_to_load(module, optimizers, record)
    asked = targets.keys() & {REPLICATED, SHARDED}
    for name in asked:
        targets[name].boxes[0].values.fill_(values[name])
        targets[name].settle()
    return set(asked)


def test_replicated_and_sharded_tables_keep_counts_of_their_own(
    build: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {REPLICATED: [torch.tensor(3.0)], SHARDED: [torch.tensor(6), torch.tensor(6)]}
    monkeypatch.setattr(state, "_step_counts", lambda *_: counts)
    with start_runtime("cpu") as runtime:
        training = build(runtime)
        saved = state.tensors_to_save(training.model.module, training.optimizers)
        assert saved[REPLICATED].boxes[0].values == 3
        assert saved[SHARDED].boxes[0].values == 6
        loaded(training, record_of(REPLICATED, SHARDED), {REPLICATED: 5, SHARDED: 10})
        assert (counts[REPLICATED], counts[SHARDED]) == ([5], [10, 10])


def test_a_checkpoint_of_one_count_gives_it_to_all_tables(
    build: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {REPLICATED: [torch.tensor(0.0)], SHARDED: [torch.tensor(0)]}
    monkeypatch.setattr(state, "_step_counts", lambda *_: counts)
    with start_runtime("cpu") as runtime:
        training = build(runtime)
        assert loaded(training, record_of(SHARDED), {SHARDED: 4}) == {SHARDED}
        assert (counts[REPLICATED], counts[SHARDED]) == ([4], [4])


def test_adam_of_replicated_tables_counts_under_its_own_name(
    build: Callable[..., Training],
) -> None:
    with start_runtime("cpu") as runtime:
        training = build(runtime, embedding_optimizer={"name": "adam"})
        saved = state.tensors_to_save(training.model.module, training.optimizers)
        assert REPLICATED in saved
        assert SHARDED not in saved
