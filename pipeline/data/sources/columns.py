"""What every source does with columns: finds them, and checks labels and numbers row by row."""

import difflib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from pipeline.console import InputError
from pipeline.data.fields.binning import numbers
from pipeline.data.fields.validity import check_values
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.faults import BAD_LABEL, Faults
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.split_rules import UNKNOWN, SplitRule
from pipeline.spec_data import FieldSpec


def find_columns(path: SourceFile, columns: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The position of each wanted column.

    Raises:
        InputError: when one is absent or there twice.
    """
    for name in wanted:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=3) or [*columns[:10], "..."]
            raise InputError(f"{path}: no column {name!r}; it has {', '.join(near)}")
        if columns.count(name) > 1:
            raise InputError(f"{path}: column {name!r} is there {columns.count(name)} times")
    return [columns.index(name) for name in wanted]


def checked_chunk(
    fields: Sequence[FieldSpec],
    labels: Sequence[str],
    columns: Sequence[pa.DictionaryArray],
    positions: np.ndarray,
    block_rows: int,
    faults: Faults,
    rule: SplitRule | None,
) -> Chunk:
    """Makes a chunk of a block's rows after the last checks.

    Args:
        fields: the fields.
        labels: the labels.
        columns: of the fields in their order, then of the labels, then that of the rule.
        positions: (rows,) where each row stands in the block.
        block_rows: rows of the block, those that could not be parsed included.
        faults: what was found so far.
        rule: settles the rows' splits, if a column does.

    Raises:
        InputError: for the first bad row, unless bad rows are skipped.
    """
    values = columns[: len(fields)]
    of_labels = dict(zip(labels, columns[len(fields) : len(fields) + len(labels)], strict=True))
    for name, column in of_labels.items():
        valid = np.isin(_numeric(column), (0.0, 1.0))
        _check(column, valid, positions, faults, BAD_LABEL, _label_found(name, labels))
    for field, column in zip(fields, values, strict=True):
        if found := check_values(field, column.dictionary):
            _check(column, found.valid, positions, faults, found.reason, found.describe)
    splits = _checked_splits(rule, columns[-1], positions, faults) if rule else None
    kept, skipped = faults.settle(block_rows)
    chosen = kept[positions]
    if not chosen.all():
        mask = pa.array(chosen)
        values = [column.filter(mask) for column in values]
        of_labels = {name: column.filter(mask) for name, column in of_labels.items()}
        positions = positions[chosen]
        splits = None if splits is None else splits[chosen]
    return Chunk(
        columns={field.name: column for field, column in zip(fields, values, strict=True)},
        labels={
            name: _numeric(column)[column.indices.to_numpy()].astype(np.uint8)
            for name, column in of_labels.items()
        },
        positions=positions,
        splits=splits,
        rows_read=block_rows,
        skipped=skipped,
    )


def _checked_splits(
    rule: SplitRule, column: pa.DictionaryArray, positions: np.ndarray, faults: Faults
) -> np.ndarray:
    splits = rule.splits_of(column.dictionary)
    _check(column, splits != UNKNOWN, positions, faults, rule.reason, rule.describe)
    return splits[column.indices.to_numpy()]


def _check(
    column: pa.DictionaryArray,
    valid: np.ndarray,
    positions: np.ndarray,
    faults: Faults,
    reason: str,
    describe: Callable[[str], str],
) -> None:
    """Notes the rows whose value is not ``valid``, (distinct values,) bool."""
    if valid.all():
        return
    bad = np.flatnonzero(~valid[column.indices.to_numpy()])

    def found(position: int) -> str:
        row = int(np.searchsorted(positions, position))
        return describe(column[row].as_py())

    faults.add(positions[bad], reason, found)


def _numeric(column: pa.DictionaryArray) -> np.ndarray:
    """(distinct values,) as numbers, nan where they are none."""
    return numbers(column.dictionary).to_numpy(zero_copy_only=False)


def _label_found(name: str, labels: Sequence[str]) -> Callable[[str], str]:
    what = "the label" if len(labels) == 1 else f"the label {name!r}"
    return lambda value: f"{what} is {value!r}, 0 or 1 expected"
