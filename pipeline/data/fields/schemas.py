"""Which fields a log has: those of a known format, or those that the spec lists.

The known formats are here and nowhere else. Any other log is ``csv`` or ``parquet`` with a table
for each field in the spec, see ``FieldSpec``.
"""

from pipeline.console import InputError
from pipeline.spec_data import DataSpec, FieldSpec

CRITEO_LABEL = "label"
CRITEO_NUMERIC = tuple(f"I{number}" for number in range(1, 14))
CRITEO_CATEGORICAL = tuple(f"C{number}" for number in range(1, 27))
# Criteo's Kaggle log (train.txt) and its Terabyte log (day_0 to day_23): tab separated, no header,
# empty = missing, 13 integers and 26 tokens of 8 hexadecimal digits. In form they are the same 40
# columns; in content they are not: the columns stand for other features, so a vocabulary of the one
# means nothing for the other. The Terabyte log keeps every non-click: about 3 % of its rows are
# clicks, against 26 %.
CRITEO_COLUMNS = (CRITEO_LABEL, *CRITEO_NUMERIC, *CRITEO_CATEGORICAL)

# Avazu's train.csv has a header. ``id`` is a row's own number and no field. C20 has -1 where it is
# missing, which is a token like any other.
AVAZU_LABEL = "click"
AVAZU_COLUMNS = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category"),
    *("app_id", "app_domain", "app_category", "device_id", "device_ip", "device_model"),
    *("device_type", "device_conn_type", "C14", "C15", "C16", "C17", "C18", "C19", "C20", "C21"),
)


def resolve_fields(data: DataSpec) -> tuple[FieldSpec, ...]:
    """The fields of a log in the model's order.

    Raises:
        InputError: when a field would be, or would be read from, a label.
    """
    match data.format:
        case "criteo":
            return _criteo()
        case "avazu":
            return (FieldSpec(name="hour"), *_avazu())
        case "avazu_calendar":
            return (*_avazu_calendar(), *_avazu())
    for field in data.fields:
        column = field.source_column
        if column in data.labels:
            raise InputError(
                f"data.fields: field {field.name!r} is read from the label's column {column!r}"
            )
        if field.name in data.labels:
            raise InputError(
                f"data.fields: {field.name!r} names the label's column; rename the field"
            )
    return data.fields


def resolve_labels(data: DataSpec) -> tuple[str, ...]:
    """The labels of a log: their columns in the source and their names in the dataset."""
    match data.format:
        case "criteo":
            return (CRITEO_LABEL,)
        case "avazu" | "avazu_calendar":
            return (AVAZU_LABEL,)
        case _:
            return data.labels


def _criteo() -> tuple[FieldSpec, ...]:
    numeric = [FieldSpec(name=name, kind="numeric") for name in CRITEO_NUMERIC]
    return (*numeric, *(FieldSpec(name=name) for name in CRITEO_CATEGORICAL))


def _avazu() -> tuple[FieldSpec, ...]:
    """All but the hour."""
    return tuple(FieldSpec(name=name) for name in AVAZU_COLUMNS)


def _avazu_calendar() -> tuple[FieldSpec, ...]:
    """The hour, written YYMMDDHH, in three, as the public benchmarks have it."""
    return (
        FieldSpec(name="hour", transform="hour_of_day"),
        FieldSpec(name="weekday", column="hour", transform="weekday"),
        FieldSpec(name="weekend", column="hour", transform="weekend"),
    )
