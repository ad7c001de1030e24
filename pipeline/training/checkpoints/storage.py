"""Raw bytes under ``torch.distributed.checkpoint``: boxes to host memory, and from mapped files."""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.distributed._shard._utils import narrow_tensor_by_index
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

from pipeline.training.checkpoints.record import CheckpointRecord, StoredBox, TensorEntry

# What the names of the model's tensors begin with.
MODEL = "model."
_MODEL_FILE = "model-"
# A box begins at a multiple of this many bytes, so that a mapped file can be seen as any dtype.
_ALIGNMENT = 64


class HostCopy(StorageWriter):
    """Takes a copy of this rank's boxes into host memory, laid out as files.

    ``torch.distributed.checkpoint`` believes that they are written; ``files`` is to be, later.

    Attributes:
        files: the boxes of each file by its name, in order, as bytes with padding.
        tensors: on rank 0, where every rank's boxes will lie.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self.files: dict[str, list[torch.Tensor]] = defaultdict(list)
        self.tensors: dict[str, TensorEntry] = {}

    def reset(self, checkpoint_id: object = None) -> None:
        """One copy is taken by one object."""

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """There is nothing to set up."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """The plans as they are."""
        return plans

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Copies the boxes that fell to this rank; the model's and the rest into a file each."""
        lengths: dict[str, int] = defaultdict(int)
        results = []
        for item in plan.items:
            values = planner.resolve_data(item)
            assert isinstance(values, torch.Tensor)
            kind = _MODEL_FILE if item.index.fqn.startswith(MODEL) else "optimizers-"
            file = f"{kind}{self._rank}.bin"
            data = _bytes_of(values)
            offsets = tuple(item.index.offset or ())
            place = StoredBox(offsets, tuple(values.shape), file, lengths[file])
            padding = torch.zeros(-len(data) % _ALIGNMENT, dtype=torch.uint8)
            self.files[file] += [data, padding]
            lengths[file] += len(data) + len(padding)
            results.append(WriteResult(item.index, len(data), place))
        future: Future[list[WriteResult]] = Future()
        future.set_result(results)
        return future

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Collects, on rank 0, where the ranks' boxes will lie."""
        boxes: dict[str, list[StoredBox]] = defaultdict(list)
        for result in (one for of_rank in results for one in of_rank):
            boxes[result.index.fqn].append(result.storage_data)
        for name, tensor in metadata.state_dict_metadata.items():
            assert isinstance(tensor, TensorStorageMetadata)
            dtype = str(tensor.properties.dtype).removeprefix("torch.")
            self.tensors[name] = TensorEntry(dtype, tuple(tensor.size), tuple(boxes[name]))

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: object) -> bool:
        """It has no place that could be named."""
        return False


def is_of_model(file: str) -> bool:
    """Whether a file holds the model's tensors, and not the optimizers'."""
    return file.startswith(_MODEL_FILE)


def _bytes_of(values: torch.Tensor) -> torch.Tensor:
    """A contiguous copy on the CPU, flat, as uint8."""
    copy = torch.empty(values.shape, dtype=values.dtype)
    copy.copy_(values)
    return copy.reshape(-1).view(torch.uint8)


class MappedFiles(StorageReader):
    """Reads boxes from a checkpoint's files, which are mapped into memory and not unpickled."""

    def __init__(self, directory: Path, record: CheckpointRecord) -> None:
        self._directory, self._record = directory, record

    def reset(self, checkpoint_id: object = None) -> None:
        """One checkpoint is read by one object."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The record, in the words of ``torch.distributed.checkpoint``."""
        tensors = {
            name: TensorStorageMetadata(
                TensorProperties(dtype=entry.torch_dtype),
                torch.Size(entry.shape),
                [
                    ChunkStorageMetadata(torch.Size(box.offsets), torch.Size(box.shape))
                    for box in entry.boxes
                ],
            )
            for name, entry in self._record.tensors.items()
        }
        return Metadata(dict(tensors))

    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """The record is known already."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fills the planned boxes; only the pages of the rows that are needed are read."""
        for item in plan.items:
            saved = map_box(self._directory, self._record, item.storage_index)
            part = narrow_tensor_by_index(saved, item.storage_offsets, item.lengths)
            target = planner.resolve_tensor(item)
            target.copy_(part)
            planner.commit_tensor(item, target)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: object) -> bool:
        """It is told its directory by its own constructor."""
        return False


def map_box(directory: Path, record: CheckpointRecord, index: MetadataIndex) -> torch.Tensor:
    """A saved box, as a view of its file."""
    entry = record.tensors[index.fqn]
    box = next(box for box in entry.boxes if torch.Size(box.offsets) == index.offset)
    return view_of(directory, record, entry, box)


def view_of(
    directory: Path, record: CheckpointRecord, entry: TensorEntry, box: StoredBox
) -> torch.Tensor:
    """A box's values, as a view of its file. Writing to it changes no file."""
    size = record.files[box.file].bytes
    whole = torch.from_file(str(directory / box.file), shared=False, size=size, dtype=torch.uint8)
    length = math.prod(box.shape) * entry.torch_dtype.itemsize
    piece = whole[box.first_byte : box.first_byte + length]
    return piece.view(entry.torch_dtype).view(box.shape)
