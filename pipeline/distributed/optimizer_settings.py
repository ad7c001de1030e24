"""The embedding optimizer as FBGEMM takes it, and what tables of a kind cannot have of it."""

from collections.abc import Callable
from typing import Any

from fbgemm_gpu.split_table_batched_embeddings_ops_training import WeightDecayMode

from pipeline.console import InputError
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS, TableOptimizer
from pipeline.spec_sharding import ShardingType
from pipeline.spec_training import EmbeddingOptimizerSpec


def fused_params(spec: EmbeddingOptimizerSpec) -> dict[str, Any]:
    """The optimizer of sharded tables, at the peak of its learning rate."""
    by_l2 = spec.name == "rowwise_adagrad" and spec.weight_decay > 0
    return {
        "optimizer": TABLE_OPTIMIZERS[spec.name].fused,
        "learning_rate": spec.learning_rate,
        "eps": spec.eps,
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": spec.weight_decay,
        "weight_decay_mode": WeightDecayMode.L2 if by_l2 else WeightDecayMode.NONE,
        "gradient_clipping": spec.clip_value > 0,
        "max_gradient": spec.clip_value,
    }


def check_optimizer(
    key: str, kind: ShardingType, spec: EmbeddingOptimizerSpec, device_type: str
) -> None:
    """Refuses what tables of a sharding type do not have, instead of passing over it in silence.

    Args:
        key: of the spec, that gave the tables their type.
        kind: the type.
        spec: the optimizer and its settings.
        device_type: where the tables are to be.

    Raises:
        InputError: there is no such kernel, or it has not all the settings.
    """
    if kind == "data_parallel":
        _check_replicated(key, spec)
    else:
        _check_fused(key, kind, spec, device_type)


def _check_replicated(key: str, spec: EmbeddingOptimizerSpec) -> None:
    if not TABLE_OPTIMIZERS[spec.name].replicated:
        raise InputError(
            f"{key}: embedding_optimizer.name = {spec.name!r} has no step for 'data_parallel' "
            f"tables; set the type to 'auto', or use one of {_replicated()}"
        )
    if spec.clip_value:
        raise InputError(
            "embedding_optimizer.clip_value: data_parallel tables have none; set it to 0 and, to "
            "limit their gradient, train.clip_norm"
        )


def _check_fused(
    key: str, kind: ShardingType, spec: EmbeddingOptimizerSpec, device_type: str
) -> None:
    known = TABLE_OPTIMIZERS[spec.name]
    if device_type == "cpu" and not known.fused_on_cpu:
        whole = "the type 'data_parallel', or " if known.replicated else ""
        able = _names(lambda optimizer: optimizer.fused_on_cpu)
        raise InputError(
            f"{key}: embedding_optimizer.name = {spec.name!r} with type = {kind!r}: FBGEMM has no "
            f"such kernel on CPU; use {whole}one of {able}"
        )
    # FBGEMM 1.8 takes a weight decay on CPU, weight_decay_mode too, and leaves it unused.
    if spec.weight_decay and (device_type == "cpu" or not known.decays_on_cuda):
        decaying = _names(lambda optimizer: optimizer.decays_on_cuda)
        raise InputError(
            f"embedding_optimizer.weight_decay: sharded tables have none under {spec.name!r} on "
            f"{device_type}; set it to 0, or sharding.type = 'data_parallel' with one of "
            f"{_replicated()}, or train.device = 'cuda' with one of {decaying}"
        )


def _replicated() -> str:
    return _names(lambda optimizer: optimizer.replicated)


def _names(chosen: Callable[[TableOptimizer], bool]) -> str:
    return ", ".join(name for name, optimizer in TABLE_OPTIMIZERS.items() if chosen(optimizer))
