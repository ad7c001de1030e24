"""The embedding optimizer's settings as FBGEMM takes them, and which tables have none of them."""

from typing import Any

from fbgemm_gpu.split_table_batched_embeddings_ops_training import WeightDecayMode

from pipeline.console import InputError
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
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


def check_settings(spec: EmbeddingOptimizerSpec, replicated: bool, device_type: str) -> None:
    """Refuses what would be passed over in silence.

    Args:
        spec: the optimizer, which the tables have a kernel for.
        replicated: whether the tables are ``data_parallel``.
        device_type: where they are.

    Raises:
        InputError: the tables have no such setting.
    """
    if replicated:
        _check_replicated(spec)
    elif spec.weight_decay:
        _check_decay(spec, device_type)


def _check_replicated(spec: EmbeddingOptimizerSpec) -> None:
    if spec.clip_value:
        raise InputError(
            "embedding_optimizer.clip_value: data_parallel tables have none; set it to 0 and, to "
            "limit their gradient, train.clip_norm"
        )


def _check_decay(spec: EmbeddingOptimizerSpec, device_type: str) -> None:
    """FBGEMM 1.8 takes a weight decay on CPU, ``weight_decay_mode`` too, and leaves it unused."""
    if device_type == "cuda" and TABLE_OPTIMIZERS[spec.name].decays_on_cuda:
        return
    replicated = ", ".join(n for n, o in TABLE_OPTIMIZERS.items() if o.replicated)
    decaying = ", ".join(n for n, o in TABLE_OPTIMIZERS.items() if o.decays_on_cuda)
    raise InputError(
        f"embedding_optimizer.weight_decay: sharded tables have none under {spec.name!r} on "
        f"{device_type}; set it to 0, or sharding.type = 'data_parallel' with one of "
        f"{replicated}, or train.device = 'cuda' with one of {decaying}"
    )
