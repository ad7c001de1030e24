"""A run directory keeps one training, and refuses to become another."""

import fcntl
import json
import tomllib
from pathlib import Path

import pytest
from folders import files_of
from small_trainings import SpecMaker, start_torchrun, train_here

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.training.already_done import is_evaluated, is_trained
from pipeline.training.run_directory import UPDATES, RunDirectory, differences


def begun(make_spec: SpecMaker) -> RunDirectory:
    spec = make_spec()
    directory = RunDirectory(spec.run_directory)
    directory.begin(spec, read_manifest(spec.dataset_directory), plan="", plan_record={})
    return directory


def test_an_empty_directory_holds_no_training(make_spec: SpecMaker) -> None:
    spec = make_spec()
    directory = RunDirectory(spec.run_directory)
    assert directory.completed(spec, read_manifest(spec.dataset_directory)) is None


def test_a_training_under_way_is_not_complete(make_spec: SpecMaker) -> None:
    directory, spec = begun(make_spec), make_spec()
    assert directory.completed(spec, read_manifest(spec.dataset_directory)) is None


def test_a_complete_training_gives_its_facts(make_spec: SpecMaker) -> None:
    directory, spec = begun(make_spec), make_spec()
    manifest = read_manifest(spec.dataset_directory)
    directory.finish(spec, manifest, {"steps": 7})
    assert directory.completed(spec, manifest) == {"steps": 7}


def test_another_spec_is_refused_with_what_changed(make_spec: SpecMaker) -> None:
    directory, other = begun(make_spec), make_spec(model={"sets": 3})
    with pytest.raises(InputError, match=r"model\.sets was 2, is 3"):
        directory.completed(other, read_manifest(other.dataset_directory))


@pytest.mark.parametrize(
    "sections",
    [
        {"train": {"log_every": 99}},
        {"train": {"checkpoint_every": 5}},
        {"sharding": {"type": "row_wise"}},
        {"evaluate": {"batch_size": 64}},
    ],
)
def test_what_does_not_shape_the_weights_may_change(
    make_spec: SpecMaker, sections: dict[str, dict[str, object]]
) -> None:
    directory, other = begun(make_spec), make_spec(**sections)
    assert directory.completed(other, read_manifest(other.dataset_directory)) is None


def test_groups_that_chose_the_best_epoch_are_part_of_a_training(make_spec: SpecMaker) -> None:
    train = {"monitor": "gauc"}
    spec, other = (
        make_spec(train=train, evaluate={"group_field": name}) for name in ("small", "middle")
    )
    manifest = read_manifest(spec.dataset_directory)
    directory = RunDirectory(spec.run_directory)
    directory.begin(spec, manifest, plan="", plan_record={})
    with pytest.raises(InputError, match=r"evaluate\.group_field was 'small', is 'middle'"):
        directory.completed(other, manifest)


def test_groups_that_only_evaluation_reads_may_change(make_spec: SpecMaker) -> None:
    directory, other = begun(make_spec), make_spec(evaluate={"group_field": "small"})
    assert directory.completed(other, read_manifest(other.dataset_directory)) is None


def test_a_record_without_groups_is_of_any(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"monitor": "gauc"}, evaluate={"group_field": "small"})
    manifest = read_manifest(spec.dataset_directory)
    directory = RunDirectory(spec.run_directory)
    directory.begin(spec, manifest, plan="", plan_record={})
    record = json.loads(directory.record_file.read_text())
    del record["identity"]["evaluate.group_field"]
    directory.record_file.write_text(json.dumps(record))
    assert directory.completed(spec, manifest) is None


def test_a_training_of_other_updates_is_not_taken_for_this_specs(make_spec: SpecMaker) -> None:
    adam = {"embedding_optimizer": {"name": "adam"}}
    dense, unsettled = make_spec(**adam), make_spec(**adam, train={"device": "auto"})
    sparse = make_spec(**adam, train={"device": "cuda"})
    manifest, directory = read_manifest(dense.dataset_directory), RunDirectory(dense.run_directory)
    directory.begin(dense, manifest, plan="", plan_record={})
    directory.finish(dense, manifest, {"embedding_optimizer_semantics": "dense"})
    assert is_trained(dense)
    assert is_trained(unsettled)
    with pytest.raises(InputError) as caught:
        is_trained(sparse)
    assert str(caught.value) == (
        f"{directory.path}: holds a training with dense updates of the tables, and this spec asks "
        "for sparse ones (by sharding.type and train.device); give another run.directory, or set "
        "them back"
    )
    directory.finish(dense, manifest, {})  # As records were before they were noted.
    assert is_trained(sparse)


def test_a_run_to_start_from_that_was_trained_anew_makes_another_training(
    make_spec: SpecMaker, tmp_path: Path
) -> None:
    spec = make_spec(train={"warm_start": str(tmp_path / "other")})
    manifest, directory = read_manifest(spec.dataset_directory), RunDirectory(spec.run_directory)
    origin = tmp_path / "other" / "best" / "checkpoint.json"
    origin.parent.mkdir(parents=True)
    origin.write_text("as it was")
    directory.begin(spec, manifest, plan="", plan_record={})
    directory.finish(spec, manifest, {"steps": 7})
    assert directory.completed(spec, manifest) == {"steps": 7}
    origin.write_text("trained anew")
    with pytest.raises(
        InputError, match=r"train\.warm_start's best model was '\w{16}', is '\w{16}'"
    ):
        directory.completed(spec, manifest)
    origin.unlink()  # A training that is done needs it no more.
    assert directory.completed(spec, manifest) == {"steps": 7}


def test_a_checkpoint_of_other_updates_is_not_gone_on_from() -> None:
    (line,) = differences({"model.sets": 2, UPDATES: "dense"}, {"model.sets": 2, UPDATES: "sparse"})
    assert line == f"{UPDATES} was 'dense', is 'sparse'"
    assert differences({"model.sets": 2}, {"model.sets": 2, UPDATES: "sparse"}) == []


def test_a_run_directory_below_a_file_is_refused_in_a_line(
    make_spec: SpecMaker, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a directory")
    spec = make_spec("file/run")
    directory, manifest = RunDirectory(spec.run_directory), read_manifest(spec.dataset_directory)
    assert directory.completed(spec, manifest) is None
    with pytest.raises(InputError, match="file/run: cannot be written: Not a directory"):
        directory.begin(spec, manifest, plan="", plan_record={})


def test_a_training_whose_end_cannot_be_noted_says_so(make_spec: SpecMaker) -> None:
    directory, spec = begun(make_spec), make_spec()
    directory.record_file.unlink()
    directory.record_file.mkdir()
    with pytest.raises(InputError, match="run: cannot be written: Is a directory"):
        directory.finish(spec, read_manifest(spec.dataset_directory), {})


def test_a_record_that_is_no_json_is_named_with_what_to_do(make_spec: SpecMaker) -> None:
    directory = begun(make_spec)
    directory.record_file.write_text("")
    with pytest.raises(InputError, match=r"training\.json: not valid JSON .*; remove it and train"):
        directory.read_record()


def test_metrics_that_are_no_json_are_measured_again(make_spec: SpecMaker) -> None:
    directory, spec = begun(make_spec), make_spec()
    directory.finish(spec, read_manifest(spec.dataset_directory), {})
    directory.report_file.parent.mkdir()
    for path in (directory.metrics_file, directory.report_file):
        path.write_text("")
    assert not is_evaluated(spec)


def test_credentials_of_a_source_are_not_written(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_TOKEN", "s3cret")
    source = ["https://reader:${LOG_TOKEN}@host/a.csv", "https://host/b.csv?signature=${LOG_TOKEN}"]
    spec = make_spec(data={"source": source})
    assert "s3cret" in spec.data.source[0]
    directory = RunDirectory(spec.run_directory)
    directory.begin(spec, read_manifest(spec.dataset_directory), plan="", plan_record={})
    written = tomllib.loads(directory.spec_file.read_text())
    assert written["data"]["source"] == ["https://***@host/a.csv", "https://host/b.csv?***"]
    assert all(b"s3cret" not in content for content in files_of(directory.path).values())


def test_a_second_training_is_refused_and_changes_nothing(make_spec: SpecMaker) -> None:
    spec = make_spec()
    directory = RunDirectory(spec.run_directory)
    under_way = directory.checkpoints / "step-0000000009.partial/record"
    under_way.parent.mkdir(parents=True)
    under_way.write_text("half")
    directory.journal_file.write_text('{"kind": "train", "step": 9, "epoch": 0}\n')
    with (directory.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = files_of(directory.path)
        with pytest.raises(InputError) as refused:
            train_here(spec)
        assert files_of(directory.path) == before
    assert str(refused.value) == (
        f"{directory.path}: another training is at work there; wait for its end, or give another "
        "run.directory"
    )


def test_a_second_training_by_several_ranks_ends_with_that_line(make_spec: SpecMaker) -> None:
    spec = make_spec()
    directory = RunDirectory(spec.run_directory)
    directory.path.mkdir()
    with (directory.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start_torchrun("pipeline.train", spec, 2)
        output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert f"error: {directory.path}: another training is at work there" in output
    # No traceback but torchrun's own.
    assert "/pipeline/training/" not in output
