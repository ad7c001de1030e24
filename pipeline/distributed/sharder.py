"""How tables are sharded: with the optimizer in the backward pass, and codecs between ranks."""

import torch
from torchrec.distributed.embedding_types import EmbeddingComputeKernel
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.fbgemm_qcomm_codec import (
    CommType,
    QCommsConfig,
    get_qcomm_codecs_registry,
)
from torchrec.distributed.types import QuantizedCommCodecs, ShardingType

from pipeline.console import InputError
from pipeline.distributed.constraints import TORCHREC_TYPES
from pipeline.distributed.optimizer_settings import fused_params
from pipeline.spec import Spec

_FUSED_KERNELS = [EmbeddingComputeKernel.FUSED.value]
_UVM_KERNELS = [
    EmbeddingComputeKernel.FUSED_UVM.value,
    EmbeddingComputeKernel.FUSED_UVM_CACHING.value,
]


class TableSharder(EmbeddingBagCollectionSharder):
    """Offers every type that trains on the device; the tables' constraints choose among them.

    On CPU TorchRec itself leaves out the types that cut rows, though they train over gloo.
    """

    def sharding_types(self, compute_device_type: str) -> list[str]:
        """All that a spec can name."""
        return list(TORCHREC_TYPES.values())

    def compute_kernels(self, sharding_type: str, compute_device_type: str) -> list[str]:
        """Replicated tables are dense parameters; others may leave CUDA's memory."""
        if sharding_type == ShardingType.DATA_PARALLEL.value:
            return [EmbeddingComputeKernel.DENSE.value]
        return _FUSED_KERNELS + (_UVM_KERNELS if compute_device_type == "cuda" else [])


def make_sharder(spec: Spec, device: torch.device) -> TableSharder:
    """The sharder of the model's tables.

    Raises:
        InputError: the device cannot send what ``sharding.communication`` asks for.
    """
    return TableSharder(fused_params(spec.embedding_optimizer), _codecs(spec, device))


def _codecs(spec: Spec, device: torch.device) -> dict[str, QuantizedCommCodecs] | None:
    """What embeddings and gradients are turned into on their way between ranks.

    Gradients of a batch's mean loss are below what fp16 tells from zero (6e-8) where positives are
    rare, so they never travel in it.
    """
    precision = spec.sharding.communication
    if precision == "bf16" and device.type == "cpu":
        raise InputError("sharding.communication = 'bf16': gloo sends none; use 'fp16' on CPU")
    of_gradients = precision
    if precision == "fp16":
        of_gradients = "fp32" if device.type == "cpu" else "bf16"
    config = QCommsConfig(CommType(precision), CommType(of_gradients))
    return get_qcomm_codecs_registry(config, device=device)
