"""Which sharding types and kernels the tables may have, by device and optimizer."""

from typing import Any

import torch
from torchrec.distributed.embedding_types import EmbeddingComputeKernel
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.types import ShardingType

from pipeline.console import InputError
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.spec import Spec
from pipeline.spec_training import EmbeddingOptimizerSpec

# The types that every device trains. torchrec does not offer the row-wise ones on CPU of itself,
# though they train correctly over gloo.
SHARDED_TYPES = ("table_wise", "column_wise", "row_wise", "table_row_wise")


class TableSharder(EmbeddingBagCollectionSharder):
    """Offers the planner just the sharding types that the spec and the device allow."""

    def __init__(self, types: tuple[str, ...], fused_params: dict[str, Any]) -> None:
        super().__init__(fused_params=fused_params)
        self._types = list(types)

    def sharding_types(self, compute_device_type: str) -> list[str]:
        """The allowed types, the same for every table."""
        return self._types

    def compute_kernels(self, sharding_type: str, compute_device_type: str) -> list[str]:
        """Replicated tables are dense parameters, all others fused and in the device's memory."""
        replicated = sharding_type == ShardingType.DATA_PARALLEL.value
        kernel = EmbeddingComputeKernel.DENSE if replicated else EmbeddingComputeKernel.FUSED
        return [kernel.value]


def allowed_types(spec: Spec, device: torch.device) -> tuple[str, ...]:
    """The sharding types that ``sharding.type`` and the embedding optimizer leave open.

    Raises:
        InputError: the optimizer has no kernel for that sharding on that device.
    """
    optimizer, wanted = spec.embedding_optimizer.name, spec.sharding.type
    known = TABLE_OPTIMIZERS[optimizer]
    fused = device.type == "cuda" or known.fused_on_cpu
    if wanted == "auto" and not fused:
        return (ShardingType.DATA_PARALLEL.value,)
    if wanted != "data_parallel" and spec.embedding_optimizer.weight_decay > 0:
        raise InputError(
            f"embedding_optimizer.weight_decay: sharded tables have none under {optimizer!r}; set "
            "it to 0, or sharding.type = 'data_parallel' with sgd, adagrad or adam"
        )
    if wanted == "auto":
        return SHARDED_TYPES
    if wanted == "data_parallel" and not known.replicated:
        raise InputError(
            f"embedding_optimizer.name = {optimizer!r} needs sharded tables: "
            "set sharding.type to 'auto', or use sgd, adagrad or adam"
        )
    if wanted != "data_parallel" and not fused:
        raise InputError(
            f"embedding_optimizer.name = {optimizer!r} with sharding.type = {wanted!r}: FBGEMM has "
            "no such kernel on CPU; use sharding.type = 'data_parallel', or one of "
            f"{', '.join(_fused_on_cpu())}"
        )
    return (wanted,)


def make_sharder(spec: Spec, device: torch.device) -> TableSharder:
    """The sharder of the model's tables, with the optimizer fused into their backward pass."""
    return TableSharder(allowed_types(spec, device), _fused_params(spec.embedding_optimizer))


def _fused_on_cpu() -> list[str]:
    return sorted(name for name, known in TABLE_OPTIMIZERS.items() if known.fused_on_cpu)


def _fused_params(optimizer: EmbeddingOptimizerSpec) -> dict[str, Any]:
    return {
        "optimizer": TABLE_OPTIMIZERS[optimizer.name].fused,
        "learning_rate": optimizer.learning_rate,
        "eps": optimizer.eps,
    }
