"""Rows of a checkpoint's tables are those that were written, or none."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.console import InputError
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.checkpoints.record import CheckpointRecord, TensorEntry
from pipeline.training.checkpoints.rows import read_rows, table_name
from pipeline.training.early_stopping import EarlyStopping


@pytest.mark.parametrize("row", [-1, 4])
def test_rows_outside_a_table_are_refused(row: int) -> None:
    progress = Progress(EarlyStopping("auc", patience=1))
    entry = TensorEntry("float32", (4, 2), boxes=())
    record = CheckpointRecord(progress, {}, {table_name("user"): entry}, files={})
    with pytest.raises(InputError, match=f"best: table user has 4 rows, and row {row} is asked"):
        read_rows(Path("best"), record, "user", np.array([0, row]))
