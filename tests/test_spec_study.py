from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.spec_study import StudySpec, ToySpec

VALUES: dict[str, Any] = {
    "title": "A study",
    "directory": "runs/study",
    "bases": {"clicks": "specs/demo.toml"},
    "grid": {"interactions": ["dcnv2"], "factors": [1, 4]},
}
PUBLISHED = {"base": "clicks", "interaction": "dcnv2", "embedding": "multi", "factors": [1, 4]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grid": {"interactions": ["dcn"], "factors": [1]}}, "did you mean 'dcnv2'"),
        ({"grid": {"interactions": ["dnn"], "factors": [2, 2]}}, "factors names a value more"),
        (
            {"grid": {"interactions": ["dnn"], "factors": [1], "first_seed_only": [10]}},
            "first_seed_only names 10",
        ),
        ({"directory": "s3://logs/study"}, "a path of this machine is expected, not a URL"),
        ({"overrides": ["run.seed=1"]}, "run.seed, which each cell sets itself"),
        ({"overrides": ["model.sets=8"]}, "model.sets, which cells have of embedding_dim"),
        ({"variants": [{"name": "a", "overrides": ["model.interaction=dnn"]}]}, "each cell sets"),
        ({"variants": [{"name": "a-b", "overrides": ["train.epochs=1"]}]}, "match pattern"),
        ({"variants": 2 * [{"name": "a", "overrides": ["train.epochs=1"]}]}, "the same name"),
        (
            {"settings": [{"interaction": "dcnv2", "overrides": ["data.label=a"]}]},
            "declare a variant",
        ),
        ({"published": [{**PUBLISHED, "auc": [0.8]}]}, "2 factors need as many values"),
        ({"published": [PUBLISHED]}, "auc or information_abundance is needed"),
        ({"published": [{**PUBLISHED, "auc": [0.8, 0.9], "base": "shop"}]}, "'shop'"),
        ({"launch": {"gpus": ["0"], "cells_at_once": 2}}, "one for each of"),
        ({"launch": {"gpu": ["0"]}}, "Extra inputs are not permitted"),
    ],
)
def test_a_study_that_cannot_be_is_refused_with_its_reason(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        StudySpec.model_validate({**VALUES, **changes})


def test_the_toy_experiments_defaults_are_the_papers_settings() -> None:
    toy = ToySpec(picture="a.svg")
    sizes = (toy.rows_1, toy.rows_2, toy.low, toy.high, toy.embedding_dim)
    assert sizes == (100, 100, 3, 100, 10)
    assert (toy.learning_rate, toy.steps) == (1.0, 5000)


def test_the_toy_experiment_takes_a_seed_once() -> None:
    with pytest.raises(ValidationError, match="seeds names a value more than once"):
        ToySpec(picture="a.svg", seeds=(0, 0))


def test_the_toy_experiment_ends_with_a_measurement() -> None:
    with pytest.raises(ValidationError, match="multiple of record_every = 50"):
        ToySpec(picture="a.svg", steps=199)
