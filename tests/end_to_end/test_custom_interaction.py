"""An interaction from a file of the user's own, through every stage."""

import json
import sys
from pathlib import Path

import pytest
from small_trainings import SpecMaker, train_here, write_spec

from pipeline import evaluate, plan
from pipeline.console import InputError
from pipeline.spec import Spec
from pipeline.training.run_directory import read_journal

MINE = '''
"""A weighted sum of fields, then a hidden block."""

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock


class WeightedSum(Interaction):
    """The weighted sum of the fields' embeddings, projected."""

    def __init__(self, fields, group, spec):
        super().__init__(fields, group, spec)
        if "start" not in spec.custom:
            raise InputError("model.custom.start: WeightedSum needs a number")
        start = float(spec.custom["start"])
        self.streams = (spec.hidden_dim,)
        self.weights = nn.Parameter(torch.full((group.sets, 1, fields, 1), start))
        self.projection = HiddenBlock(
            group.sets, group.embedding_dim, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings):
        """(M, B, F, K) -> (M, B, H)."""
        return self.projection((self.weights * embeddings).sum(dim=2))
'''


@pytest.fixture
def make_custom(make_spec: SpecMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecMaker:
    """Specs that name the interaction of a file on the import path."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("mine", None)

    def make(**custom: float) -> Spec:
        return make_spec(model={"interaction": "mine:WeightedSum", "custom": custom})

    return make


def test_is_planned_trained_logged_and_reported(
    make_custom: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_custom(start=0.5)
    plan.main([str(write_spec(spec)), "--world-size", "2"])
    assert "rank 1" in capsys.readouterr().out
    train_here(spec)
    evaluate.main([str(write_spec(spec))])
    run = Path(spec.run.directory)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["model"]["interaction"] == "mine:WeightedSum"
    assert metrics["collapse"]
    assert any(point["kind"] == "valid" for point in read_journal(run / "metrics.jsonl"))
    assert "mine:WeightedSum" in (run / "report" / "index.html").read_text()


def test_checks_settings_of_its_own(make_custom: SpecMaker) -> None:
    with pytest.raises(InputError, match=r"model\.custom\.start"):
        train_here(make_custom())


def test_of_another_kind_is_refused(make_spec: SpecMaker) -> None:
    spec = make_spec(model={"interaction": "collections:OrderedDict"})
    with pytest.raises(InputError, match=r"'collections:OrderedDict' is no subclass of") as caught:
        train_here(spec)
    assert "\n" not in str(caught.value)
