"""How embedding sets are stored: which table holds which columns of which field and set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.data.manifest import Field
from pipeline.spec import GroupSpec

# FBGEMM's kernels read rows in vectors of four floats.
COLUMN_MULTIPLE = 4


@dataclass(frozen=True)
class Table:
    """One physical embedding table.

    Its columns are ``sets`` blocks of ``embedding_dim``, side by side, then zero columns up to the
    next multiple of four, which stay out of the model, the spectra and the parameter count.

    Attributes:
        name: unique in the model.
        field: the field whose ids index the rows.
        group: the group that the sets belong to.
        first_set: the place in its group of the first set stored here.
        sets: the number of sets stored here.
        embedding_dim: K, the columns of one set.
    """

    name: str
    field: Field
    group: int
    first_set: int
    sets: int
    embedding_dim: int

    @property
    def rows(self) -> int:
        """Rows of the table, one an id."""
        return self.field.cardinality

    @property
    def columns(self) -> int:
        """Columns that the model reads: sets x K."""
        return self.sets * self.embedding_dim

    @property
    def physical_columns(self) -> int:
        """Columns as stored: a multiple of four."""
        return -(-self.columns // COLUMN_MULTIPLE) * COLUMN_MULTIPLE


def layout_tables(
    fields: Sequence[Field], groups: Sequence[GroupSpec], storage: Literal["packed", "separate"]
) -> tuple[Table, ...]:
    """The tables of a model, ordered by group, then set (when separate), then field."""
    tables = []
    for number, group in enumerate(groups):
        packed = storage == "packed"
        for first_set in range(1 if packed else group.sets):
            suffix = f"g{number}" if packed else f"g{number}_s{first_set}"
            sets = group.sets if packed else 1
            tables += [
                Table(f"{field.name}_{suffix}", field, number, first_set, sets, group.embedding_dim)
                for field in fields
            ]
    return tuple(tables)
