"""When a training validates, and what early stopping makes of it."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_trainings import SpecMaker, train_here

from pipeline.console import InputError
from pipeline.spec import Spec
from pipeline.spec_file import load_spec
from pipeline.training.divergence import MeanLosses, RecentLosses
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.trainer import Trainer

BATCHES = 13  # of an epoch


def validations(spec: Spec) -> list[dict[str, Any]]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point for point in points if point["kind"] == "valid"]


def facts_of(spec: Spec) -> dict[str, Any]:
    record = RunDirectory(spec.run_directory).read_record()
    assert record is not None
    return record["facts"]


@pytest.mark.parametrize(
    ("every", "steps"),
    [(0, [13, 26]), (5, [5, 10, 15, 20, 25, 26]), (13, [13, 26]), (26, [26]), (100, [26])],
)
def test_it_validates_every_so_many_steps_and_at_the_end(
    make_spec: SpecMaker, every: int, steps: list[int]
) -> None:
    spec = make_spec(train={"validate_every": every, "patience": 10})
    train_here(spec)
    assert [point["step"] for point in validations(spec)] == steps
    assert [point["epoch"] for point in validations(spec)] == [(s - 1) // BATCHES for s in steps]


def test_validating_within_an_epoch_changes_no_step(make_spec: SpecMaker) -> None:
    curves = []
    for every in (0, 4):
        spec = make_spec(f"every-{every}", train={"validate_every": every, "patience": 10})
        train_here(spec)
        points = read_journal(RunDirectory(spec.run_directory).journal_file)
        curves.append([point["loss"] for point in points if point["kind"] == "train"])
    assert curves[0] == curves[1]


def test_patience_counts_validations(make_spec: SpecMaker) -> None:
    # Nothing is learnt, so no validation is better than the first.
    still = {"name": "sgd", "learning_rate": 1e-30}
    spec = make_spec(
        embedding_optimizer=still,
        dense_optimizer=still,
        train={"validate_every": 3, "patience": 2},
    )
    train_here(spec)
    assert [point["step"] for point in validations(spec)] == [3, 6, 9]
    assert facts_of(spec)["best_epoch"] == 1


@pytest.mark.parametrize("monitor", ["logloss", "normalized_entropy", "calibration"])
def test_the_best_model_is_that_of_the_monitored_metric(make_spec: SpecMaker, monitor: str) -> None:
    spec = make_spec(train={"monitor": monitor, "patience": 3, "epochs": 4})
    train_here(spec)
    values = [point[monitor] for point in validations(spec)]
    distances = [abs(value - 1) if monitor == "calibration" else value for value in values]
    assert facts_of(spec)["best_epoch"] == 1 + distances.index(min(distances))


def test_a_validation_that_a_kill_cut_short_is_made_again(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of the very step that is validated is there already."""
    settings = {"validate_every": 4, "checkpoint_every": 4, "patience": 10}
    unbroken, broken = make_spec("unbroken", train=settings), make_spec("broken", train=settings)
    train_here(unbroken)
    validate = Trainer._validate

    def interrupted(trainer: Trainer, epoch: int, ended: bool) -> None:
        if trainer._progress.step == 8:
            raise KeyboardInterrupt
        validate(trainer, epoch, ended)

    monkeypatch.setattr(Trainer, "_validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_here(broken)
    monkeypatch.undo()
    train_here(broken)
    assert validations(broken) == validations(unbroken)


def test_a_validation_that_waits_for_the_steps_before_counts_it_as_their_time(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = 0.0
    means = RecentLosses.means

    def waits(losses: RecentLosses) -> MeanLosses:
        nonlocal waited
        waited += 1000.0
        return means(losses)

    def now() -> float:
        return time.monotonic() + waited

    monkeypatch.setattr("pipeline.training.trainer.time", SimpleNamespace(perf_counter=now))
    monkeypatch.setattr(RecentLosses, "means", waits)
    spec = make_spec(train={"epochs": 1, "log_every": 1000})
    train_here(spec)
    assert 1000 < facts_of(spec)["seconds"] < 2000


def test_gauc_is_monitored_only_where_it_is_measured(make_spec: SpecMaker, tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('[run]\ndirectory = "a"\n[data]\nformat = "criteo"\nsource = "b"\n')
    with pytest.raises(InputError, match="group_field"):
        load_spec(path, ["train.monitor=gauc"])
    assert load_spec(path, ["train.monitor=gauc", "evaluate.group_field=user"])
