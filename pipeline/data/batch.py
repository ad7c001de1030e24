"""One batch of rows, in the form that TorchRec's train pipelines move between devices."""

from dataclasses import dataclass

import torch
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor
from torchrec.streamable import Pipelineable


@dataclass
class Batch(Pipelineable):
    """A rank's rows of one global batch.

    Attributes:
        features: ids of every field, (F, B) bags.
        labels: (T, B) float32, 0 or 1, by task.
        weights: (B,) float32. 0 marks a padding row, which keeps the ranks' batches equally long.
            The other weights are scaled so that the ranks' means of weight x loss average to the
            mean loss over the global batch's real rows.
        dense: (B, D) float32, the dense fields; None where there are none.
    """

    features: KeyedJaggedTensor
    labels: torch.Tensor
    weights: torch.Tensor
    dense: torch.Tensor | None = None

    def to(self, device: torch.device, non_blocking: bool = False) -> "Batch":
        """The batch on another device."""
        return Batch(
            self.features.to(device=device, non_blocking=non_blocking),
            self.labels.to(device=device, non_blocking=non_blocking),
            self.weights.to(device=device, non_blocking=non_blocking),
            _moved(self.dense, device, non_blocking),
        )

    def record_stream(self, stream: torch.Stream) -> None:
        """Keeps the memory alive until ``stream`` has used it."""
        self.features.record_stream(stream)
        self.labels.record_stream(stream)
        self.weights.record_stream(stream)
        if self.dense is not None:
            self.dense.record_stream(stream)

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, for copies to CUDA that overlap with work."""
        return Batch(
            self.features.pin_memory(),
            self.labels.pin_memory(),
            self.weights.pin_memory(),
            None if self.dense is None else self.dense.pin_memory(),
        )


def _moved(
    tensor: torch.Tensor | None, device: torch.device, non_blocking: bool
) -> torch.Tensor | None:
    return None if tensor is None else tensor.to(device=device, non_blocking=non_blocking)
