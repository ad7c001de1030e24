"""Makes small logs and specs for the data layer's tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.spec import Spec

MakeSpec = Callable[..., Spec]


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    """Builds a spec around a data section; the dataset goes to ``tmp_path / "dataset"``."""

    def make(prepare: dict[str, Any] | None = None, **data: Any) -> Spec:
        run = {"directory": str(tmp_path)}
        return Spec.model_validate({"run": run, "data": data, "prepare": prepare or {}})

    return make


@pytest.fixture
def csv_spec(tmp_path: Path, make_spec: MakeSpec) -> MakeSpec:
    """Builds the spec of a CSV file with the columns label, color (text) and size (numeric)."""

    def make(content: bytes, **data: Any) -> Spec:
        path = tmp_path / "log.csv"
        path.write_bytes(content)
        fields = [{"name": "color"}, {"name": "size", "kind": "numeric"}]
        settings = {"format": "csv", "source": str(path), "fields": fields, **data}
        return make_spec(prepare={"ratios": [1, 1e-9, 1e-9]}, **settings)

    return make
