"""Fixtures that every layer's tests share."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.manifest import LABEL, SPLITS, Field, Manifest, Split
from pipeline.data.parts import part_schema, write_part

FIELDS = (
    Field("tiny", "categorical", 4),
    Field("small", "categorical", 16),
    Field("middle", "numeric", 60),
    Field("large", "categorical", 500),
    Field("several", "multi_valued", 30, "mean"),
)
SPLIT_ROWS = {"train": 1_600, "valid": 200, "test": 200}


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset directory of 2,000 rows whose labels depend on pairs of fields."""
    directory = tmp_path_factory.mktemp("tiny") / "dataset"
    directory.mkdir()
    rng = np.random.default_rng(0)
    tables = {name: _table(rng, rows) for name, rows in SPLIT_ROWS.items()}
    splits = {name: _write_split(directory, name, tables[name]) for name in SPLITS}
    manifest = Manifest(
        fields=FIELDS,
        splits=splits,
        sources=(),
        spec_digest="tiny",
        vocabulary="all",
        rows_read=sum(SPLIT_ROWS.values()),
        rows_skipped={},
        oracle={},
    )
    manifest.write(directory)
    return directory


def _table(rng: np.random.Generator, rows: int) -> pa.Table:
    ids = {f.name: rng.integers(0, f.cardinality, rows) for f in FIELDS if f.name != "several"}
    lengths = rng.integers(1, 5, rows)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    several = rng.integers(0, 30, offsets[-1])
    first = several[offsets[:-1]]
    pairs = np.sin(ids["tiny"] * ids["small"]) + np.cos(ids["middle"] % 7 * first)
    labels = rng.random(rows) < 1 / (1 + np.exp(-2 * pairs))
    columns = [pa.array(ids[f.name], pa.int32()) for f in FIELDS if f.name != "several"]
    columns.append(
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(several, pa.int32()))
    )
    columns.append(pa.array(labels, pa.uint8()).cast(pa.float32()))
    return pa.Table.from_arrays(columns, schema=part_schema([(f.name, f.kind) for f in FIELDS]))


def _write_split(directory: Path, name: str, table: pa.Table) -> Split:
    """Parts of 300 rows at the most."""
    starts = range(0, table.num_rows, 300)
    parts = [
        write_part(directory, name, number, table.slice(start, 300))
        for number, start in enumerate(starts)
    ]
    positives = int(np.sum(table[LABEL].to_numpy()))
    return Split(table.num_rows, positives, tuple(parts))
