"""Dense float fields, from a log to a trained and evaluated model."""

import json
from pathlib import Path

import numpy as np

from pipeline import evaluate, prepare, train
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
