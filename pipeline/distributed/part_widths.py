"""How wide the parts of a table are, and what the kernels of CUDA can read of that."""

from collections.abc import Sequence

from torchrec.distributed.planner.constants import MIN_CW_DIM

from pipeline.console import InputError
from pipeline.distributed.sharding_group import ShardingGroup
from pipeline.model.tables import COLUMN_MULTIPLE, Table
from pipeline.spec_sharding import ShardingType

_CUT_BY_COLUMNS = {"column_wise", "table_column_wise", "grid"}
# FBGEMM's CUDA kernels refuse more than 2,048 columns, and have returned zeros above 1,024
# (reported to TorchRec by its users).
COLUMNS_ON_CUDA = 1024


def narrowest(
    table: Table, asked: Sequence[ShardingType], least: int, group: ShardingGroup
) -> int | None:
    """Columns of a part where a table is to be cut by columns: one part a rank, at the most.

    Where nobody asks, TorchRec's own rule holds: parts of 128 or more.
    """
    if not _CUT_BY_COLUMNS & set(asked):
        return None
    parts = group.size
    if "column_wise" not in asked:
        nodes = group.size // group.node_ranks
        parts = nodes if "grid" in asked else group.node_ranks
    columns = table.physical_columns
    return _equal_part(columns, max(least, -(-columns // parts)))


def types_for_cuda(
    key: str, types: Sequence[ShardingType], table: Table, part: int | None
) -> tuple[ShardingType, ...]:
    """Those types under which every part of a table is one that CUDA's kernels read rightly.

    Args:
        key: the place in the spec that the types are from.
        types: what the table might have.
        table: whose parts.
        part: the columns that ``narrowest`` has found.

    Raises:
        InputError: there is none.
    """
    columns = table.physical_columns
    cut = _equal_part(columns, part or MIN_CW_DIM)
    width = {kind: cut if kind in _CUT_BY_COLUMNS else columns for kind in types}
    narrow = tuple(kind for kind in types if width[kind] <= COLUMNS_ON_CUDA)
    if not narrow:
        raise InputError(
            f"{key}: a part of table {table.name} has {min(width.values()):,} columns, and the "
            f"CUDA kernels are right up to {COLUMNS_ON_CUDA:,}; {_remedy(table)}, or cut it by "
            "columns over enough ranks (sharding.type = 'column_wise')"
        )
    return narrow


def _remedy(table: Table) -> str:
    if table.sets > 1 and table.embedding_dim <= COLUMNS_ON_CUDA:
        return f"set model.tables = 'separate' for tables of {table.embedding_dim:,}"
    return "make model.embedding_dim smaller"


def _equal_part(columns: int, wanted: int) -> int:
    """The columns of equal parts, at least so many; all of them where there are no such parts.

    TorchRec cuts equal parts only, and FBGEMM reads rows in fours.
    """
    widths = range(COLUMN_MULTIPLE, columns + 1, COLUMN_MULTIPLE)
    return next((w for w in widths if w >= wanted and columns % w == 0), columns)
