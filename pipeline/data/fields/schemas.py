"""Which fields a log has: those of a known format, or those that the spec lists."""

from pipeline.console import InputError
from pipeline.data.manifest import LABEL
from pipeline.spec_data import DataSpec, FieldSpec

CRITEO_NUMERIC = tuple(f"I{number}" for number in range(1, 14))
CRITEO_CATEGORICAL = tuple(f"C{number}" for number in range(1, 27))
# Tab separated, no header, empty = missing.
CRITEO_COLUMNS = (LABEL, *CRITEO_NUMERIC, *CRITEO_CATEGORICAL)


def resolve_fields(data: DataSpec) -> tuple[FieldSpec, ...]:
    """The fields of a log in the model's order.

    Raises:
        InputError: when a field would be, or would be read from, the label.
    """
    if data.format == "criteo":
        numeric = [FieldSpec(name=name, kind="numeric") for name in CRITEO_NUMERIC]
        categorical = [FieldSpec(name=name) for name in CRITEO_CATEGORICAL]
        return (*numeric, *categorical)
    for field in data.fields:
        if field.name == LABEL:
            raise InputError(f"data.fields: {LABEL!r} names the label's column; rename the field")
        if field.source_column == data.label:
            raise InputError(
                f"data.fields: field {field.name!r} is read from the label's column {data.label!r}"
            )
    return data.fields


def label_column(data: DataSpec) -> str:
    """The source's column of the label."""
    return LABEL if data.format == "criteo" else data.label
