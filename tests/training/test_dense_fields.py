"""Dense float fields, from a log to a trained and evaluated model."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import evaluate, prepare, train
from pipeline.console import InputError
from pipeline.data.manifest import SPLITS
from pipeline.spec import Spec
from pipeline.spec_file import to_toml

ROWS = 4_000


def test_a_dense_field_that_settles_the_label_is_learnt_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    height = rng.normal(170, 10, ROWS)
    click = rng.random(ROWS) < 1 / (1 + np.exp(-(height - 170) / 2))
    site = rng.integers(0, 5, ROWS)
    lines = [f"{int(c)},{s},{h:.2f}" for c, s, h in zip(click, site, height, strict=True)]
    (tmp_path / "log.csv").write_text("\n".join(["click,site,height", *lines]) + "\n")
    spec = Spec.model_validate(
        {
            "run": {"directory": str(tmp_path / "run")},
            "data": {
                "format": "csv",
                "source": str(tmp_path / "log.csv"),
                "label": "click",
                "fields": [{"name": "site"}, {"name": "height", "kind": "dense"}],
            },
            "model": {"sets": 2, "embedding_dim": 4, "hidden_dim": 16},
            "train": {"batch_size": 256, "epochs": 6, "device": "cpu"},
        }
    )
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(spec))
    for stage in (prepare, train, evaluate):
        stage.main([str(path)])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    # The true probabilities reach 0.97; the site alone says nothing.
    assert metrics["test"]["auc"] > 0.93
    assert metrics["data"]["fields"] == 2


def run_with_an_extreme_value(folder: Path, extreme: str) -> Path:
    """A spec of a prepared log, one split of which has a value that predictions overflow on."""
    rng = np.random.default_rng(0)
    for split in SPLITS:
        heights = rng.normal(170, 10, 200)
        heights[7] = 3e38 if split == extreme else 170
        lines = [f"{row % 2},{row % 5},{height}" for row, height in enumerate(heights)]
        (folder / f"{split}.csv").write_text("\n".join(["click,site,height", *lines]) + "\n")
    values = {
        "run": {"directory": str(folder / "run")},
        "data": {
            "format": "csv",
            "source": str(folder),
            "label": "click",
            "fields": [{"name": "site"}, {"name": "height", "kind": "dense"}],
            "splits": {split: f"{split}.csv" for split in SPLITS},
        },
        "model": {"sets": 2, "embedding_dim": 4, "hidden_dim": 16, "normalization": "none"},
        "train": {"batch_size": 50, "epochs": 1, "device": "cpu"},
    }
    path = folder / "spec.toml"
    path.write_text(to_toml(Spec.model_validate(values)))
    prepare.main([str(path)])
    return path


def test_a_validation_that_is_no_number_is_named_and_never_the_best(tmp_path: Path) -> None:
    spec = run_with_an_extreme_value(tmp_path, "valid")
    with pytest.raises(InputError, match=r"the valid split's loss is nan, .* dense fields"):
        train.main([str(spec)])
    assert not (tmp_path / "run" / "best").exists()


def test_an_evaluation_that_is_no_number_is_named_before_anything_is_written(
    tmp_path: Path,
) -> None:
    spec = run_with_an_extreme_value(tmp_path, "test")
    train.main([str(spec)])
    with pytest.raises(InputError, match="the test split's auc is nan"):
        evaluate.main([str(spec)])
    assert not (tmp_path / "run" / "report").exists()
    assert not (tmp_path / "run" / "metrics.json").exists()
