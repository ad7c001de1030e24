"""Moments that have one number a row (row-wise Adagrad), where a plan may divide the columns.

A plan that divides a table's columns gives every part of a row a number of its own: the mean over
the part's columns of what the optimizer sums up. The checkpoint then has the moment as
(rows, columns / 4), each number repeated over its part's columns, else as (rows, 1). A part of any
other plan gets the mean over its own columns, which is what it would have summed up itself; a plan
that divides what was whole gives every part the whole row's.
"""

from collections.abc import Iterator

import torch
from torch.distributed._shard.sharded_tensor import ShardedTensor

from pipeline.model.tables import COLUMN_MULTIPLE
from pipeline.training.checkpoints.stored_tensor import Box, StoredTensor, full_shape


def is_row_moment(moment: torch.Tensor) -> bool:
    """Whether a moment, plain or sharded, has a number a row instead of one a weight."""
    return len(full_shape(moment)) == 1


def row_moment_to_save(weight: torch.Tensor, moment: torch.Tensor) -> StoredTensor:
    """(rows, 1), or (rows, columns / 4) where the plan divides the table's columns.

    Args:
        weight: the table, (rows, columns), plain or sharded.
        moment: its moment; what it is when sharded, see ``_parts``.
    """
    rows, columns = full_shape(weight)
    blocks = columns // COLUMN_MULTIPLE if _divides_columns(weight) else 1
    boxes = []
    for values, own_rows, own_columns in _parts(weight, moment):
        first, width = _own_blocks(own_columns, blocks)
        boxes.append(Box((own_rows.start, first), values.unsqueeze(1).expand(-1, width)))
    return StoredTensor((rows, blocks), boxes)


def row_moment_to_load(weight: torch.Tensor, moment: torch.Tensor, blocks: int) -> StoredTensor:
    """Where a saved moment of (rows, blocks) goes."""
    rows = full_shape(weight)[0]
    boxes, targets = [], []
    for values, own_rows, own_columns in _parts(weight, moment):
        first, width = _own_blocks(own_columns, blocks)
        boxes.append(Box((own_rows.start, first), values.new_empty((len(values), width))))
        targets.append(values)

    def settle() -> None:
        for box, values in zip(boxes, targets, strict=True):
            low, high = box.values.aminmax(dim=1)
            # Equal numbers stay what they are, to the bit.
            values.copy_(torch.where(low == high, low, box.values.mean(dim=1)))

    return StoredTensor((rows, blocks), boxes, settle)


def _own_blocks(columns: slice, blocks: int) -> tuple[int, int]:
    """The first of a part's blocks of four columns, and their number."""
    if blocks == 1:
        return 0, 1
    first = columns.start // COLUMN_MULTIPLE
    return first, columns.stop // COLUMN_MULTIPLE - first


def _divides_columns(weight: torch.Tensor) -> bool:
    if not isinstance(weight, ShardedTensor):
        return False
    columns = full_shape(weight)[1]
    return any(shard.shard_sizes[1] < columns for shard in weight.metadata().shards_metadata)


def _parts(
    weight: torch.Tensor, moment: torch.Tensor
) -> Iterator[tuple[torch.Tensor, slice, slice]]:
    """This rank's parts of a moment, each with the rows and columns of the table that it is for.

    torchrec numbers the parts of a sharded row moment through, one after the other, in the order
    of the table's parts (those of a table divided by columns only, by column). So the place of a
    part in that order says which part of the table it belongs to.
    """
    if not isinstance(moment, ShardedTensor):
        yield moment, slice(0, len(moment)), slice(0, full_shape(weight)[1])
        return
    assert isinstance(weight, ShardedTensor)
    of_table = weight.metadata().shards_metadata
    if all(shard.shard_sizes[0] == full_shape(weight)[0] for shard in of_table):
        of_table = sorted(of_table, key=lambda shard: shard.shard_offsets[1])
    starts = [shard.shard_offsets[0] for shard in moment.metadata().shards_metadata]
    tables_part = dict(zip(starts, of_table, strict=True))
    for shard in moment.local_shards():
        if len(shard.tensor):
            part = tables_part[shard.metadata.shard_offsets[0]]
            (row, column), (rows, columns) = part.shard_offsets, part.shard_sizes
            yield shard.tensor, slice(row, row + rows), slice(column, column + columns)
