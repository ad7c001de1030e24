"""A moment with a number a row survives any division of its table's columns."""

import numpy as np
import pytest
import torch
from torch.distributed._shard.sharded_tensor import Shard, ShardedTensor, ShardMetadata
from torch.distributed._shard.sharded_tensor.metadata import (
    ShardedTensorMetadata,
    TensorProperties,
)

from pipeline.distributed.runtime import start_runtime
from pipeline.training.checkpoints.row_moments import row_moment_to_load, row_moment_to_save

ROWS, COLUMNS = 3, 12


@pytest.fixture(autouse=True)
def runtime():
    with start_runtime("cpu") as runtime:
        yield runtime


def sharded(boxes, size):
    """A tensor whose shards all lie on this rank, of zeros."""
    metadata = [ShardMetadata(list(offsets), list(sizes), "rank:0/cpu") for offsets, sizes in boxes]
    whole = ShardedTensorMetadata(metadata, torch.Size(size), TensorProperties(torch.float32))
    shards = [Shard(torch.zeros(one.shard_sizes), one) for one in metadata]
    return ShardedTensor._init_from_local_shards_and_global_metadata(shards, whole)


def table_in_columns(*widths: int):
    starts = np.cumsum([0, *widths]).tolist()
    boxes = [((0, start), (ROWS, width)) for start, width in zip(starts, widths, strict=False)]
    return sharded(boxes, (ROWS, COLUMNS))


def moment_of(parts: int):
    """torchrec numbers the parts' rows through."""
    return sharded([((part * ROWS,), (ROWS,)) for part in range(parts)], (ROWS * parts,))


def move(origin, target):
    """Through a checkpoint that one rank reads as it was written."""
    saved = row_moment_to_save(*origin)
    loaded = row_moment_to_load(*target, blocks=saved.shape[1])
    whole = torch.zeros(saved.shape)
    for box in saved.boxes:
        (row, column), (rows, columns) = box.offsets, box.values.shape
        whole[row : row + rows, column : column + columns] = box.values
    for box in loaded.boxes:
        (row, column), (rows, columns) = box.offsets, box.values.shape
        box.values.copy_(whole[row : row + rows, column : column + columns])
    loaded.settle()


def test_parts_of_columns_become_the_mean_over_the_whole_row() -> None:
    origin = table_in_columns(8, 4), moment_of(2)
    first, second = (shard.tensor for shard in origin[1].local_shards())
    first.copy_(torch.tensor([3.0, 0.0, 6.0]))
    second.copy_(torch.tensor([0.0, 9.0, 6.0]))
    target = torch.zeros(ROWS, COLUMNS), torch.zeros(ROWS)
    move(origin, target)
    # By hand: (8 first + 4 second) / 12.
    assert target[1].tolist() == [2.0, 3.0, 6.0]


def test_a_whole_rows_number_goes_to_each_part() -> None:
    origin = torch.zeros(ROWS, COLUMNS), torch.tensor([1.0, 2.0, 3.0])
    target = table_in_columns(4, 8), moment_of(2)
    move(origin, target)
    assert [shard.tensor.tolist() for shard in target[1].local_shards()] == [[1.0, 2.0, 3.0]] * 2


@pytest.mark.parametrize("widths", [(12,), (4, 8), (4, 4, 4)])
def test_the_same_plan_gets_its_numbers_back_to_the_bit(widths: tuple[int, ...]) -> None:
    origin = table_in_columns(*widths), moment_of(len(widths))
    target = table_in_columns(*widths), moment_of(len(widths))
    generator = torch.Generator().manual_seed(0)
    for shard in origin[1].local_shards():
        shard.tensor.copy_(torch.rand(ROWS, generator=generator))
    move(origin, target)
    pairs = zip(origin[1].local_shards(), target[1].local_shards(), strict=True)
    assert all(one.tensor.equal(other.tensor) for one, other in pairs)
