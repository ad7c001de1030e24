"""How embedding sets are stored: which table holds which columns of which field and set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.data.manifest import Field
from pipeline.model.interactions.interaction import Interaction
from pipeline.registry import load_component
from pipeline.spec_model import ModelSpec

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
        group: the place of the table group that the sets belong to.
        first_set: the place in its group of the first set stored here.
        sets: the number of sets stored here.
        embedding_dim: C, the columns of one set.
        of_gates: whether gates read it, and no expert.
    """

    name: str
    field: Field
    group: int
    first_set: int
    sets: int
    embedding_dim: int
    of_gates: bool = False

    @property
    def rows(self) -> int:
        """Rows of the table, one an id."""
        return self.field.cardinality

    @property
    def columns(self) -> int:
        """Columns that the model reads: sets x C."""
        return self.sets * self.embedding_dim

    @property
    def physical_columns(self) -> int:
        """Columns as stored: a multiple of four."""
        return -(-self.columns // COLUMN_MULTIPLE) * COLUMN_MULTIPLE


@dataclass(frozen=True)
class TableGroup:
    """Sets of one size: M = ``sets``, each with C = ``columns`` columns; experts' or the gates'.

    ``fields`` names the fields that have embeddings here; none means all.
    """

    sets: int
    columns: int
    of_gates: bool = False
    fields: tuple[str, ...] = ()

    def places(self, names: Sequence[str]) -> list[int]:
        """Where among ``names`` the fields stand that have embeddings here."""
        return [place for place, name in enumerate(names) if not self.fields or name in self.fields]


def table_groups(fields: int, spec: ModelSpec) -> tuple[TableGroup, ...]:
    """The embeddings of a model: those of the groups that have their own, then the gates'.

    Args:
        fields: F, dense fields included.
        spec: the groups and the gates.
    """
    groups = [
        TableGroup(
            group.sets,
            load_component("interaction", group.interaction, Interaction).table_columns(
                fields, group.embedding_dim
            ),
        )
        for group in spec.resolved_groups
        if group.shares is None
    ]
    if spec.gate.embedding_dim:
        gate = spec.gate
        groups.append(TableGroup(1, gate.embedding_dim, of_gates=True, fields=gate.fields))
    return tuple(groups)


def layout_tables(
    fields: Sequence[Field], groups: Sequence[TableGroup], storage: Literal["packed", "separate"]
) -> tuple[Table, ...]:
    """The tables of a model, ordered by group, then set (when separate), then field."""
    tables = []
    for number, group in enumerate(groups):
        name = "gate" if group.of_gates else f"g{number}"
        chosen = [fields[place] for place in group.places([field.name for field in fields])]
        packed = storage == "packed"
        for first_set in range(1 if packed else group.sets):
            suffix = name if packed else f"{name}_s{first_set}"
            sets = group.sets if packed else 1
            tables += [
                Table(
                    f"{field.name}_{suffix}",
                    field,
                    number,
                    first_set,
                    sets,
                    group.columns,
                    group.of_gates,
                )
                for field in chosen
            ]
    return tuple(tables)
