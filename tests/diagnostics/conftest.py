"""A finished run's figures, small enough to check by eye."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from measured_fields import measured_field

from pipeline.diagnostics.collapse import FieldCollapse, summarise
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.sub_embeddings import SubEmbeddings
from pipeline.metrics.calibration import CalibrationCurve


def _field(name: str, rows: int, sets: int, seed: int) -> FieldCollapse:
    generator = torch.Generator().manual_seed(seed)
    return measured_field(name, [torch.randn(rows, 4, generator=generator) for _ in range(sets)])


@pytest.fixture(scope="session")
def collapse() -> list[FieldCollapse]:
    """Three fields of two sets, one with fewer rows than columns."""
    rows = {"user": 60, "item": 40, "weekday": 7}
    return [_field(name, rows[name], sets=2, seed=i) for i, name in enumerate(rows)]


@pytest.fixture(scope="session")
def single_collapse() -> list[FieldCollapse]:
    """Two fields of a single embedding."""
    return [_field(name, 50, sets=1, seed=i) for i, name in enumerate(("user", "item"))]


@pytest.fixture(scope="session")
def pairs() -> list[GroupPairs]:
    """One group of two sets, with sub-embeddings and patterns."""
    names = ("user", "item", "weekday")
    abundance = np.array([[3.0, 2.0, 1.0], [2.0, 2.0, 1.0], [1.5, 1.0, 1.0]])
    sub_embeddings = SubEmbeddings(names, np.array([3.0, 2.5, 1.0]), abundance)
    patterns = np.arange(18.0).reshape(2, 3, 3)
    return [GroupPairs("2 x 4 dcnv2", names, sub_embeddings, patterns)]


@pytest.fixture(scope="session")
def calibration() -> CalibrationCurve:
    return CalibrationCurve(
        np.array([0.1, 0.3, 0.6]), np.array([0.12, 0.28, 0.63]), np.array([10, 10, 10])
    )


@pytest.fixture(scope="session")
def curves() -> list[dict[str, Any]]:
    train = [
        {"kind": "train", "step": step, "epoch": 0, "loss": 0.7 - 0.001 * step}
        for step in range(20, 161, 20)
    ]
    valid = [
        {"kind": "valid", "step": 80 * e, "epoch": e - 1, "auc": a, "logloss": 0.5, "loss": 0.5}
        | {"information_abundance": 5.0 - e}
        for e, a in ((1, 0.7512), (2, 0.7431))
    ]
    return [*train, *valid]


_METRICS: dict[str, Any] = {
    "run": {"name": "clicks & <views>", "seed": 7},
    "model": {
        "interaction": "dcnv2",
        "groups": 1,
        "sets": 2,
        "embedding_dim": 4,
        "head": "mean",
        "tables": "packed",
        "parameters": {"embedding": 856, "dense": 123_456},
    },
    "data": {
        "rows": {"train": 8000, "valid": 1000, "test": 1001},
        "fields": 3,
        "vocabulary": 107,
    },
    "train": {
        "samples_per_second": 8123.4,
        "epochs": 2,
        "steps": 160,
        "best_epoch": 0,
        "seconds": 83.0,
        "monitor": "auc",
    },
    "valid": {
        "auc": 0.7512,
        "logloss": 0.5012,
        "normalized_entropy": 0.8123,
        "calibration": 0.987,
        "rows": 1000,
    },
    "test": {
        "auc": 0.7498,
        "logloss": 0.5034,
        "normalized_entropy": 0.8145,
        "calibration": 1.021,
        "rows": 1001,
    },
    "oracle": {"auc": 0.8, "logloss": 0.45},
    "share_of_oracle": 0.8327,
    "embedding_optimizer": {"name": "adam", "semantics": "dense"},
}


@pytest.fixture(scope="session")
def finished_metrics(collapse: list[FieldCollapse]) -> dict[str, Any]:
    """What ``metrics.json`` holds, on generated data; to read only."""
    return {**_METRICS, "collapse": summarise(collapse)}


@pytest.fixture
def metrics(finished_metrics: dict[str, Any]) -> dict[str, Any]:
    """The same, to change."""
    return copy.deepcopy(finished_metrics)
