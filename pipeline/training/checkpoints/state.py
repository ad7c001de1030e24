"""What a checkpoint holds of a model and its optimizers, under names that no sharding changes.

    model.<name>                                the model's state
    dense_optimizer.<parameter>.<moment>        torch's own names
    embedding_optimizer.<table>.momentum1|2     FBGEMM's names, whoever keeps the moments
    embedding_optimizer.step                    of Adam and its kin, whose bias correction counts
    embedding_optimizer.replicated_step         that of ``data_parallel`` tables, which step once in
                                                ``train.accumulate`` batches

``row_moments.py`` has those moments that are a number a row.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    SplitTableBatchedEmbeddingBagsCodegen,
)
from torch import nn

from pipeline.training.checkpoints.record import CheckpointRecord
from pipeline.training.checkpoints.row_moments import (
    is_row_moment,
    row_moment_to_load,
    row_moment_to_save,
)
from pipeline.training.checkpoints.storage import MODEL
from pipeline.training.checkpoints.stored_tensor import Box, StoredTensor, stored
from pipeline.training.optimizers import Optimizers

# Of the tables' optimizer: what it keeps, by parameter and name.
_State: TypeAlias = Mapping[str, Mapping[str, Any]]
_STEP = "embedding_optimizer.step"
_REPLICATED_STEP = "embedding_optimizer.replicated_step"
# What torch, torchrec and FBGEMM call the same moment.
_MOMENTS = {
    "sum": "momentum1",
    "exp_avg": "momentum1",
    "momentum1": "momentum1",
    "exp_avg_sq": "momentum2",
    "momentum2": "momentum2",
}
_COUNTING = {
    EmbOptimType.ADAM,
    EmbOptimType.LAMB,
    EmbOptimType.PARTIAL_ROWWISE_ADAM,
    EmbOptimType.PARTIAL_ROWWISE_LAMB,
}


def model_tensors(module: nn.Module) -> dict[str, StoredTensor]:
    """The model's state; loading fills it in place."""
    return _of_model(module.state_dict())


def _of_model(weights: Mapping[str, torch.Tensor]) -> dict[str, StoredTensor]:
    return {f"{MODEL}{name}": stored(value) for name, value in weights.items()}


def tensors_to_save(module: nn.Module, optimizers: Optimizers) -> dict[str, StoredTensor]:
    """The tensors of the model and both optimizers as they are now.

    To be asked for anew every time, since torchrec flushes its caches then.
    """
    weights, moments = module.state_dict(), _embedding_state(optimizers)
    tensors = _of_model(weights) | _dense_moments(optimizers)
    for name, weight, moment in _table_moments(weights, moments):
        of_rows = is_row_moment(moment)
        tensors[name] = row_moment_to_save(weight, moment) if of_rows else stored(moment)
    counts = _step_counts(module, moments)
    return tensors | {name: stored(same[0]) for name, same in counts.items()}


def tensors_to_load(
    module: nn.Module, optimizers: Optimizers, record: CheckpointRecord
) -> dict[str, StoredTensor]:
    """Where the tensors of a checkpoint go, whatever sharding wrote it."""
    weights, moments = module.state_dict(), _embedding_state(optimizers)
    tensors = _of_model(weights) | _dense_moments(optimizers)
    for name, weight, moment in _table_moments(weights, moments):
        if not is_row_moment(moment):
            tensors[name] = stored(moment)
            continue
        saved = record.tensors.get(name)
        tensors[name] = row_moment_to_load(weight, moment, saved.shape[-1] if saved else 1)
    by_saved: dict[str, list[torch.Tensor]] = {}
    for name, counts in _step_counts(module, moments).items():
        # Older checkpoints have one count for all tables.
        by_saved.setdefault(name if name in record.tensors else _STEP, []).extend(counts)
    return tensors | {name: _count_target(counts) for name, counts in by_saved.items()}


def _dense_moments(optimizers: Optimizers) -> dict[str, StoredTensor]:
    state: dict[str, dict[str, torch.Tensor]] = optimizers.dense.state_dict()["state"]
    return {
        f"dense_optimizer.{parameter}.{moment}": stored(value)
        for parameter, moments in state.items()
        for moment, value in moments.items()
    }


def _embedding_state(optimizers: Optimizers) -> _State:
    return optimizers.embedding.state_dict()["state"]


def _table_moments(
    weights: Mapping[str, torch.Tensor], state: _State
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """The name, the table's weight and the moment, plain or sharded, of every moment."""
    for parameter, moments in state.items():
        table = parameter.removesuffix(".weight").rpartition(".")[2]
        for key, moment in moments.items():
            kind = key.rpartition(".")[2]
            if kind != "step":
                name = f"embedding_optimizer.{table}.{_MOMENTS[kind]}"
                yield name, weights[parameter], moment


def _step_counts(module: nn.Module, state: _State) -> dict[str, list[torch.Tensor]]:
    """The counts of steps that Adam and its kin keep on this rank, equal ones under one name.

    FBGEMM takes the count from ``iter`` at the first step after a start, and counts on.
    """
    replicated = [
        moments["step"] for moments in state.values() if "step" in moments and "exp_avg" in moments
    ]
    fused = [
        kernel.iter[0]
        for kernel in module.modules()
        if isinstance(kernel, SplitTableBatchedEmbeddingBagsCodegen)
        and kernel.optimizer in _COUNTING
    ]
    counts = {_REPLICATED_STEP: replicated, _STEP: fused}
    return {name: same for name, same in counts.items() if same}


def _count_target(counts: list[torch.Tensor]) -> StoredTensor:
    loaded = torch.zeros((), dtype=torch.float64)

    def settle() -> None:
        for count in counts:
            count.copy_(loaded)

    return StoredTensor((), [Box((), loaded)], settle)
