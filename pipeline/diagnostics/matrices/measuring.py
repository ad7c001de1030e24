"""Measures the fields of a file in one pass over their rows, in memory that is bounded."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.console import Advance, InputError, progress
from pipeline.diagnostics.collapse import FieldCollapse, analyse_field
from pipeline.diagnostics.field_gram import empty_gram, field_gram
from pipeline.diagnostics.gram_sum import block_rows
from pipeline.diagnostics.matrices.choosing import ChosenField
from pipeline.diagnostics.matrices.opening import open_tensors
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

# Blocks of multiplication that are read at a time: 32 MB or less of float32.
BLOCKS_READ = 16


def measure_fields(
    path: Path, fields: Sequence[ChosenField], counts: Path | None
) -> list[FieldCollapse]:
    """Every field's measures.

    Args:
        path: the file, for messages.
        fields: of it.
        counts: a file of how often each row occurs, under each field's name; that of a single field
            may have any name.

    Raises:
        InputError: a matrix is not finite; counts are missing, of another length or below 0.
    """
    by_field = {} if counts is None else _counts(counts, fields)
    rows = sum(field.rows for field in fields)
    with progress(f"analyse {path.name}", rows, "rows") as advance:
        return [_measure(path, field, by_field.get(field.name), advance) for field in fields]


def _measure(
    path: Path, field: ChosenField, counts: StoredTensor | None, advance: Advance
) -> FieldCollapse:
    step = BLOCKS_READ * block_rows(field.columns)
    total = empty_gram(field.name, [matrix.shape[1] for matrix in field.sets])
    for start in range(0, field.rows, step):
        part = slice(start, min(start + step, field.rows))
        sets = [matrix.read(part) for matrix in field.sets]
        total += field_gram(field.name, sets, None if counts is None else counts.read(part))
        advance(part.stop - part.start)
    if not bool(total.plain.isfinite().all()):
        raise InputError(
            f"{path}: {field.name!r} holds values that are not finite, or too large to be squared"
        )
    if not bool(total.weighted.isfinite().all()):
        raise InputError(f"{path}: counts of {field.name!r} are below 0 or not finite")
    return analyse_field(total)


def _counts(path: Path, fields: Sequence[ChosenField]) -> dict[str, StoredTensor]:
    """By field, what the file of counts has for it."""
    found = {tensor.name: tensor for tensor in open_tensors(path) if tensor.is_count}
    if len(fields) == len(found) == 1:
        found = {fields[0].name: next(iter(found.values()))}
    for field in fields:
        if field.name not in found:
            raise InputError(f"{path}: has no counts of shape (rows,) named {field.name!r}")
        if found[field.name].shape[0] != field.rows:
            raise InputError(
                f"{path}: {found[field.name].shape[0]:,} counts for the {field.rows:,} rows of "
                f"{field.name!r}"
            )
    return found
