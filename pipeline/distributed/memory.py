"""The bytes that a plan takes of every rank: tables, their optimizer's state, the dense part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torchrec.distributed.embedding_types import EmbeddingComputeKernel
from torchrec.distributed.types import ParameterSharding, ShardingPlan

from pipeline.distributed.hardware import Cluster
from pipeline.distributed.plan import parts, placements
from pipeline.distributed.sharding_group import ShardingGroup
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.model.dense_part import DensePart
from pipeline.model.tables import Table, table_groups
from pipeline.spec import Spec

_FLOAT_BYTES = 4
_ID_BYTES = 8
# Moments that torch's optimizer keeps for each dense parameter.
_DENSE_MOMENTS = {"adam": 2, "adamw": 2, "sgd": 0}
# The embeddings of a rank's rows: as looked up, as received from the other ranks, and the gradients
# of both. The copies that the model makes are among the tensors that autograd saves.
_EMBEDDING_COPIES = 4
# FBGEMM's cache keeps of a slot whose row it holds and when that was last read, and for every row
# of the table the number of that table.
_SLOT_BYTES = 16
_MAP_BYTES = 4
_UVM = (EmbeddingComputeKernel.FUSED_UVM.value, EmbeddingComputeKernel.FUSED_UVM_CACHING.value)


@dataclass(frozen=True)
class TableMemory:
    """Bytes of weights and optimizer state by rank: on the rank's device, and in the host's memory.

    Of tables that every rank holds whole their gradients too: they are as large as the tables.

    On CPU the two are one memory, and ``host`` is nothing.
    """

    device: tuple[int, ...]
    host: tuple[int, ...]

    def of_all_ranks(self, group: ShardingGroup) -> "TableMemory":
        """That of every rank of a job, where this is that of every place in a group."""
        places = [group.place(rank) for rank in range(group.size * group.copies)]
        return TableMemory(
            tuple(self.device[place] for place in places),
            tuple(self.host[place] for place in places),
        )


@dataclass(frozen=True)
class DenseMemory:
    """Bytes that every rank needs beside the tables, on its device.

    Attributes:
        parameters: of the dense part, with gradients and the optimizer's moments.
        activations: of one batch: what autograd saves, the embeddings and the ids. An estimate, in
            float32, without what is freed within the step.
    """

    parameters: int
    activations: int

    @property
    def total(self) -> int:
        """Both."""
        return self.parameters + self.activations


def table_bytes(table: Table, optimizer: str) -> int:
    """Weights and optimizer state of one whole table."""
    return _bytes(table.rows, table.physical_columns, optimizer)


def table_memory(
    plan: ShardingPlan, tables: Sequence[Table], optimizer: str, world_size: int
) -> TableMemory:
    """What each rank of a plan holds of the tables."""
    placed = placements(plan)
    device, host = [0] * world_size, [0] * world_size
    for table in tables:
        placement = placed[table.name]
        for rank, rows, columns in parts(placement, table, world_size):
            on_device, on_host = _part_bytes(placement, rows, columns, optimizer)
            device[rank] += on_device
            host[rank] += on_host
    return TableMemory(tuple(device), tuple(host))


def _part_bytes(
    placement: ParameterSharding, rows: int, columns: int, optimizer: str
) -> tuple[int, int]:
    """Of one part of a table: bytes on the device, and in the host's memory."""
    held = _bytes(rows, columns, optimizer)
    if placement.sharding_spec is None:
        # DistributedDataParallel keeps a gradient of the whole table.
        return held + rows * columns * _FLOAT_BYTES, 0
    if placement.compute_kernel not in _UVM:
        return held, 0
    # What the optimizer has by row FBGEMM keeps on the device, wherever the weights are.
    by_row = rows * TABLE_OPTIMIZERS[optimizer].row_moments * _FLOAT_BYTES
    return by_row + _cache_bytes(placement, rows, columns), held - by_row


def _cache_bytes(placement: ParameterSharding, rows: int, columns: int) -> int:
    """What FBGEMM's cache of a part takes of the device: its slots, and a number for every row."""
    cache = placement.cache_params
    if placement.compute_kernel != EmbeddingComputeKernel.FUSED_UVM_CACHING.value or not cache:
        return 0
    slots = int(cache.load_factor * rows)
    return slots * (columns * _FLOAT_BYTES + _SLOT_BYTES) + rows * _MAP_BYTES


def _bytes(rows: int, columns: int, optimizer: str) -> int:
    state = TABLE_OPTIMIZERS[optimizer].state_floats(columns)
    return rows * (columns + state) * _FLOAT_BYTES


def dense_memory(
    spec: Spec, fields: Sequence[str], dense_fields: Sequence[str], cluster: Cluster
) -> DenseMemory:
    """What a rank needs for the dense part and one batch, found by a pass without data.

    Args:
        spec: the model, its optimizer and the batch.
        fields: the names of the fields with ids.
        dense_fields: those of the others.
        cluster: the ranks that share the batch.
    """
    rows = -(-spec.train.batch_size // cluster.world_size)
    names = [*fields, *dense_fields]
    groups = table_groups(len(names), spec.model)
    labels = [task.label for task in spec.model.resolved_tasks]
    read = [len(group.places(fields)) for group in groups]
    columns = sum(
        group.sets * group.columns * count for group, count in zip(groups, read, strict=True)
    )
    with FakeTensorMode():
        part = DensePart(names, len(dense_fields), labels, spec.model, "fp32")
        embeddings = [
            torch.empty(group.sets, rows, count, group.columns, requires_grad=True)
            for group, count in zip(groups, read, strict=True)
        ]
        dense = torch.empty(rows, len(dense_fields)) if dense_fields else None
        saved = _saved_bytes(part, embeddings, dense)
        numbers = sum(parameter.numel() for parameter in part.parameters())
    copies = (2 + _DENSE_MOMENTS[spec.dense_optimizer.name]) * _FLOAT_BYTES
    of_rows = rows * (_EMBEDDING_COPIES * columns * _FLOAT_BYTES + len(fields) * _ID_BYTES)
    return DenseMemory(numbers * copies, saved + of_rows)


def _saved_bytes(
    part: DensePart, embeddings: list[torch.Tensor], dense: torch.Tensor | None
) -> int:
    """Bytes of the tensors that the forward pass keeps for the backward pass."""
    own = {parameter.untyped_storage()._cdata for parameter in part.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        part.train()(embeddings, dense)
    return sum(kept.values())
