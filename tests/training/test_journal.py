"""The journal: a line of JSON and TensorBoard points a log point, without what a kill undid."""

from pathlib import Path

import pytest
from full_disk import files_of_at_most
from small_trainings import SpecMaker, train_here
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.console import InputError
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.journal import Journal
from pipeline.training.run_directory import RunDirectory, read_journal


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def at(step: int, epoch: int = 0) -> Progress:
    return Progress(EarlyStopping("auc", patience=1), step=step, epoch=epoch)


def write_steps(directory: RunDirectory, steps: range) -> None:
    journal = Journal(directory, at(steps.start - 1))
    for step in steps:
        journal.write("train", step, 0, {"loss": step / 10})
    journal.close()


def test_points_come_back_in_order(directory: RunDirectory) -> None:
    write_steps(directory, range(1, 4))
    points = read_journal(directory.journal_file)
    assert [(point["step"], point["loss"]) for point in points] == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_steps_taken_again_replace_those_after_the_checkpoint(directory: RunDirectory) -> None:
    write_steps(directory, range(1, 6))
    write_steps(directory, range(4, 8))
    assert [point["step"] for point in read_journal(directory.journal_file)] == list(range(1, 8))


def test_gates_are_points_of_a_step(directory: RunDirectory) -> None:
    journal = Journal(directory, at(0))
    for step in (1, 2):
        journal.write_by("tasks", "gate", step, 0, {"click": {"entropy": step / 2}})
    journal.close()
    Journal(directory, at(step=1, epoch=0)).close()
    (point,) = read_journal(directory.journal_file)
    assert point == {"kind": "gate", "step": 1, "epoch": 0, "tasks": {"click": {"entropy": 0.5}}}


@pytest.mark.parametrize("name", ["kind", "step", "epoch"])
def test_a_label_of_any_name_leaves_a_point_at_its_step(directory: RunDirectory, name: str) -> None:
    journal = Journal(directory, at(0))
    for step in (1, 2):
        journal.write_by("tasks", "gate", step, 0, {name: {"entropy": 0.5}})
    journal.close()
    Journal(directory, at(step=1)).close()
    points = read_journal(directory.journal_file)
    assert [(point["kind"], point["step"], point["epoch"]) for point in points] == [("gate", 1, 0)]


def test_an_epoch_that_is_finished_again_is_validated_once(directory: RunDirectory) -> None:
    for auc in (0.6, 0.7):
        journal = Journal(directory, at(step=10, epoch=0))
        journal.write("valid", 10, 0, {"auc": auc})
        journal.close()
    assert [point["auc"] for point in read_journal(directory.journal_file)] == [0.7]


def test_a_line_that_a_kill_cut_short_is_left_out(directory: RunDirectory) -> None:
    write_steps(directory, range(1, 3))
    with directory.journal_file.open("a") as file:
        file.write('{"kind": "train", "st')
    assert [point["step"] for point in read_journal(directory.journal_file)] == [1, 2]


def test_a_disk_that_is_full_at_a_log_point_is_one_line(directory: RunDirectory) -> None:
    journal = Journal(directory, at(0))
    with pytest.raises(InputError) as caught, files_of_at_most(4096):
        journal.write("train", 1, 0, {f"figure {number}": 0.5 for number in range(400)})
    assert f"{directory.path}: cannot be written: File too large; make room" in str(caught.value)


def test_tensorboard_reads_the_same_points(directory: RunDirectory) -> None:
    write_steps(directory, range(1, 4))
    events = EventAccumulator(str(directory.tensorboard))
    events.Reload()
    scalars = events.Scalars("train/loss")
    assert [scalar.step for scalar in scalars] == [1, 2, 3]
    assert [scalar.value for scalar in scalars] == pytest.approx([0.1, 0.2, 0.3])


def test_tensorboard_has_a_scalar_for_each_nested_value(directory: RunDirectory) -> None:
    journal = Journal(directory, at(0))
    figures = {"click": {"entropy": 0.5, "weight": {"g0 dcnv2 s1": 0.25}}}
    journal.write_by("tasks", "gate", 3, 0, figures)
    journal.close()
    events = EventAccumulator(str(directory.tensorboard))
    events.Reload()
    assert [scalar.value for scalar in events.Scalars("gate/click/entropy")] == [0.5]
    assert [scalar.value for scalar in events.Scalars("gate/click/weight/g0 dcnv2 s1")] == [0.25]


def test_tensorboard_has_the_pictures_of_collapse_and_the_settings(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"validate_every": 7})
    train_here(spec)
    events = EventAccumulator(str(RunDirectory(spec.run_directory).tensorboard))
    events.Reload()
    tags = events.Tags()
    assert {"collapse/information_abundance", "collapse/spectra"} == set(tags["images"])
    assert [image.step for image in events.Images("collapse/spectra")] == [7, 14, 21, 26]
    assert {"spec/text_summary", "plan/text_summary"} <= set(tags["tensors"])
    assert "best/auc" in tags["scalars"]
