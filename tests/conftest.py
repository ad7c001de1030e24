"""Fixtures that every layer's tests share."""

import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import settings

from pipeline.data.manifest import SPLITS
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

# Small batches: two threads wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell starts what is to run in the background with SIGINT ignored, and programs hand that on:
# those that tests start here would not see it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with SIGHUP.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# An example's time says more of what else the machine does than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["launched_runs", "slurm_cluster", "small_stages", "small_trainings"]

SPLIT_ROWS = {"train": 1_600, "valid": 200, "test": 200}


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset directory of 2,000 rows whose labels depend on pairs of fields.

    Fields: tiny (4 values), small (16), middle (numeric, 60 values), large (500), several
    (multi-valued, 30).
    """
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for name in SPLITS:
        pyarrow.csv.write_csv(_log(rng, SPLIT_ROWS[name]), folder / f"{name}.csv")
    fields = [
        {"name": "tiny"},
        {"name": "small"},
        {"name": "middle", "kind": "numeric"},
        {"name": "large"},
        {"name": "several", "kind": "multi_valued"},
    ]
    values = {
        "run": {"directory": str(folder)},
        "data": {
            "format": "csv",
            "source": str(folder),
            "fields": fields,
            "splits": {name: f"{name}.csv" for name in SPLITS},
        },
        "prepare": {"part_rows": 300},
    }
    spec = Spec.model_validate(values)
    build(spec, {})
    return spec.dataset_directory


def _log(rng: np.random.Generator, rows: int) -> pa.Table:
    """Rows with (rows,) columns of texts; about one row in 20 has no value of ``several``."""
    tiny, small = rng.integers(0, 4, rows), rng.integers(0, 16, rows)
    middle, large = rng.integers(-60, 1, rows), rng.integers(0, 500, rows)
    several = [rng.integers(0, 30, rng.integers(0, 6)) for _ in range(rows)]
    first = np.array([items[0] if len(items) else 0 for items in several])
    pairs = np.sin(tiny * small) + np.cos(middle % 7 * first)
    labels = rng.random(rows) < 1 / (1 + np.exp(-2 * pairs))
    return pa.table(
        {
            "label": labels.astype(np.int8),
            "tiny": tiny,
            "small": small,
            "middle": middle,
            "large": large,
            "several": ["|".join(map(str, items)) for items in several],
        }
    )
