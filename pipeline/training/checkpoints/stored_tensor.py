"""A tensor as a checkpoint sees it: a shape, and the boxes of it that this rank holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.distributed._shard.sharded_tensor import ShardedTensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
)
from torch.distributed.checkpoint.planner import TensorWriteData, WriteItem, WriteItemType


@dataclass(frozen=True)
class Box:
    """A rectangular part of a tensor: where it begins, and its values, which may be a view."""

    offsets: tuple[int, ...]
    values: torch.Tensor


def _nothing() -> None:
    """For tensors whose boxes are the live values themselves."""


@dataclass(frozen=True)
class StoredTensor:
    """What ``torch.distributed.checkpoint`` saves or fills under one name.

    It speaks the protocol by which that asks tensor-like objects for what to write and what to
    read (the methods with double underscores), so plain, sharded and derived tensors are one case.

    Attributes:
        shape: of the whole tensor, over all ranks.
        boxes: this rank's. Several ranks may hold the same; one of them writes it.
        settle: called when loading has filled the boxes, for those that are not live values.
    """

    shape: tuple[int, ...]
    boxes: Sequence[Box]
    settle: Callable[[], None] = _nothing

    def size(self) -> torch.Size:
        """The shape, under the name by which loading compares it."""
        return torch.Size(self.shape)

    def __create_write_items__(self, name: str, tensor: object) -> list[WriteItem]:
        return [
            WriteItem(
                index=MetadataIndex(name, box.offsets),
                type=WriteItemType.SHARD,
                tensor_data=TensorWriteData(
                    chunk=_chunk(box),
                    properties=TensorProperties(dtype=box.values.dtype),
                    size=self.size(),
                ),
            )
            for box in self.boxes
        ]

    def __create_chunk_list__(self) -> list[ChunkStorageMetadata]:
        return [_chunk(box) for box in self.boxes]

    def box_at(self, offsets: Sequence[int] | None) -> torch.Tensor:
        """The values of the box that begins there."""
        return next(box.values for box in self.boxes if torch.Size(box.offsets) == offsets)


def _chunk(box: Box) -> ChunkStorageMetadata:
    return ChunkStorageMetadata(torch.Size(box.offsets), box.values.shape)


def full_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape over all ranks. ``size()`` of a sharded tensor tells of its deprecation."""
    return tuple(tensor.metadata().size if isinstance(tensor, ShardedTensor) else tensor.shape)


def stored(tensor: torch.Tensor) -> StoredTensor:
    """A plain or sharded tensor, its boxes being the live values."""
    if isinstance(tensor, ShardedTensor):
        shards = tensor.local_shards()
        boxes = [Box(tuple(one.metadata.shard_offsets), one.tensor.detach()) for one in shards]
        return StoredTensor(full_shape(tensor), [box for box in boxes if box.values.numel()])
    return StoredTensor(tuple(tensor.shape), [Box((0,) * tensor.dim(), tensor.detach())])


class SavePlanner(DefaultSavePlanner):
    """Plans which rank writes which box of a flat dictionary of stored tensors."""

    def __init__(self) -> None:
        super().__init__(flatten_state_dict=False, flatten_sharded_tensors=False)

    def lookup_object(self, index: MetadataIndex) -> torch.Tensor:
        """The values of a box that is to be written."""
        return self.state_dict[index.fqn].box_at(index.offset)


class LoadPlanner(DefaultLoadPlanner):
    """Plans which boxes of a checkpoint fill which boxes of this rank."""

    def __init__(self) -> None:
        super().__init__(flatten_state_dict=False, flatten_sharded_tensors=False)

    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """Takes the stored tensors as they are, where torch's own knows tensors only."""
        self.state_dict, self.metadata = state_dict, metadata
        self.is_coordinator = is_coordinator

    def lookup_tensor(self, index: MetadataIndex) -> torch.Tensor:
        """The values of a box that is to be filled."""
        return self.state_dict[index.fqn].box_at(index.offset)
