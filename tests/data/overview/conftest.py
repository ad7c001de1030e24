"""Prepares small tables and looks at them."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.overview.facts import Overview
from pipeline.data.overview.files import read_overview
from pipeline.data.preparation.build import build

Look = Callable[..., Overview]
Columns = dict[str, Sequence[Any]]


@pytest.fixture
def look(make_spec, tmp_path: Path) -> Look:
    """The overview of columns; a column ``fold`` has their splits, which are random without it."""

    def look(columns: Columns, fields: list[dict[str, Any]], **settings: Any) -> Overview:
        path = tmp_path / "log.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        split = {"split": {"by": "column", "column": "fold"}} if "fold" in columns else {}
        spec = make_spec(format="csv", source=str(path), fields=fields, **split, **settings)
        build(spec, {})
        return read_overview(spec.dataset_directory)

    return look


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
