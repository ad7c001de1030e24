"""What is added to the loss, in the journal."""

from typing import Any

import pytest
import torch
from small_trainings import SpecMaker, run_stage, train_here

from pipeline.model.interactions.dcnv2 import DCNv2
from pipeline.model.regularizers.alignment import interaction_alignment
from pipeline.spec import Spec
from pipeline.spec_model import GroupSpec
from pipeline.training.run_directory import RunDirectory, read_journal

FIELDS = 5
# It reads weights alone, so that it does not depend on the rows of a rank.
OF_WEIGHTS = {"regularization": {"interaction_alignment": 1.0}}


def train_points(spec: Spec) -> list[dict[str, Any]]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point for point in points if point["kind"] == "train"]


def test_is_not_logged_where_nothing_is_switched_on(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1})
    train_here(spec)
    assert all("penalty" not in point for point in train_points(spec))


def test_is_the_mean_over_the_steps_of_a_log_point_beside_the_loss(make_spec: SpecMaker) -> None:
    every, second = (
        make_spec(f"every_{steps}", model=OF_WEIGHTS, train={"epochs": 1, "log_every": steps})
        for steps in (1, 2)
    )
    train_here(every)
    train_here(second)
    for key in ("penalty", "loss"):
        single = [point[key] for point in train_points(every)]
        pairs = [(a + b) / 2 for a, b in zip(single[::2], single[1::2], strict=False)]
        found = [point[key] for point in train_points(second)]
        assert found == pytest.approx(pairs, rel=1e-5)
        assert len(found) == len(single) // 2


def test_starts_at_the_value_of_the_starting_weights_and_falls(make_spec: SpecMaker) -> None:
    spec = make_spec(model=OF_WEIGHTS)
    train_here(spec)
    penalties = [point["penalty"] for point in train_points(spec)]
    # What weights of this shape give on average; other random numbers differ by a few per cent.
    torch.manual_seed(0)
    group = GroupSpec(interaction="dcnv2", sets=2, embedding_dim=5)
    drawn = [interaction_alignment(DCNv2(FIELDS, group, spec.model).block_norms()) for _ in "12345"]
    expected = [value.item() for value in drawn]
    assert min(expected) / 2 < penalties[0] < 2 * max(expected)
    assert penalties[-1] < penalties[0] / 2


def test_of_two_processes_is_that_of_one(make_spec: SpecMaker) -> None:
    one, two = (make_spec(name, model=OF_WEIGHTS, train={"epochs": 1}) for name in ("one", "two"))
    train_here(one)
    run_stage("pipeline.train", two, 2)
    ours, theirs = ([point["penalty"] for point in train_points(spec)] for spec in (two, one))
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        {"regularization": {"spectral_balance": 1e-3, "singular_value_spread": 1e-3}},
        {"regularization": {"decorrelation": 1.0, "space_similarity": 1e-3}},
        {"interaction": "regularized_dcnv2"},
    ],
    ids=["spectra", "covariances", "regularized_dcnv2"],
)
def test_of_every_kind_lets_the_model_learn(make_spec: SpecMaker, model: dict[str, Any]) -> None:
    spec = make_spec(model=model, train={"epochs": 1})
    train_here(spec)
    points = train_points(spec)
    assert all(point["penalty"] > 0 for point in points)
    assert points[-1]["loss"] < points[0]["loss"]
