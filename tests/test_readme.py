"""What the front page shows works."""

import textwrap
import tomllib
from pathlib import Path

from pipeline.data.manifest import Field
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec import Spec

README = Path(__file__).parents[1] / "README.md"


def test_the_mixture_of_experts_can_be_built() -> None:
    section = README.read_text().split("## A mixture of experts, several labels\n\n")[1]
    shown = tomllib.loads(textwrap.dedent(section.split("\n\nEach task")[0]))
    log = {"format": "csv", "source": "log.csv", "fields": [{"name": "user"}, {"name": "item"}]}
    values = {"run": {"directory": "run"}, **shown, "data": {**log, **shown["data"]}}
    spec = Spec.model_validate(values)
    assert spec.data.labels == ("click", "conversion")
    fields = [Field("user", "categorical", 50), Field("item", "categorical", 30)]
    model = MultiEmbedding(fields, spec.model)
    # Two sets of 16, one of 16, one of 8, and the gates' own 8.
    assert model.count_parameters().embedding == 80 * (2 * 16 + 16 + 8 + 8)
    assert model.dense.head.scores.bias.shape == (2 * 4,)


def test_the_log_split_by_time_learns_nothing_from_days_to_come() -> None:
    section = README.read_text().split("## Your own log\n\n")[1]
    shown = tomllib.loads(textwrap.dedent(section.split("\n\nEvery field")[0]))
    spec = Spec.model_validate({"run": {"directory": "run"}, **shown})
    assert spec.data.split is not None
    assert (spec.data.split.by, spec.prepare.vocabulary) == ("time", "train")
