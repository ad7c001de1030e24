"""Where a dataset is built: what of it is kept, for whom, and who may work there."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.preparation.workplace import clear, recover, workplace


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def manifest(text: str) -> str:
    """What tells that a directory is a dataset, and which."""
    lists: dict[str, object] = {"fields": [], "splits": {}, "sources": []}
    return json.dumps({"schema_version": 5, **lists, "spec_digest": text})


def publish(directory: Path, text: str) -> None:
    with workplace(directory, "identity") as place:
        (place.dataset / "manifest.json").write_text(manifest(text))
        (place.work / "scratch").write_text("gone in the end")


def stop(directory: Path, identity: str, error: type[BaseException]) -> None:
    """Works a little, then ends with an error."""

    def work() -> None:
        with workplace(directory, identity) as place:
            (place.dataset / "manifest.json").write_text("half")
            (place.work / "scratch").write_text("done")
            raise error

    with pytest.raises(error):
        work()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_dataset_appears_whole_and_nothing_else_is_left(directory: Path) -> None:
    for text in ("first", "second"):
        publish(directory, text)
        assert (directory / "manifest.json").read_text() == manifest(text)
        assert names(directory.parent) == ["dataset"]


def test_an_error_leaves_what_was_there(directory: Path) -> None:
    publish(directory, "first")
    stop(directory, "identity", RuntimeError)
    assert (directory / "manifest.json").read_text() == manifest("first")
    assert names(directory.parent) == ["dataset"]


def test_an_interrupted_runs_work_is_taken_up(directory: Path) -> None:
    publish(directory, "first")
    stop(directory, "identity", KeyboardInterrupt)
    assert (directory / "manifest.json").read_text() == manifest("first")
    with workplace(directory, "identity") as place:
        assert (place.work / "scratch").read_text() == "done"


def test_the_work_of_another_identity_is_thrown_away(directory: Path) -> None:
    stop(directory, "another", KeyboardInterrupt)
    with workplace(directory, "identity") as place:
        assert names(place.work) == []
        assert names(place.dataset) == []


def test_work_without_an_identity_is_thrown_away(directory: Path) -> None:
    (directory.parent / "dataset.partial/work").mkdir(parents=True)
    (directory.parent / "dataset.partial/work/scratch").write_text("whose?")
    with workplace(directory, "identity") as place:
        assert names(place.work) == []


def test_what_a_killed_writer_left_is_removed(directory: Path) -> None:
    stop(directory, "identity", KeyboardInterrupt)
    (directory.parent / "dataset.partial/dataset/part.1f.writing").write_text("half")
    with workplace(directory, "identity") as place:
        assert names(place.dataset) == ["manifest.json"]


def test_a_second_run_is_refused(directory: Path) -> None:
    script = f"""
from pathlib import Path
from pipeline.data.preparation.workplace import workplace
with workplace(Path("{directory}"), "identity"):
    pass
"""
    with workplace(directory, "identity") as place:
        other = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert other.stderr.splitlines()[-1] == (
            f"pipeline.console.InputError: {directory}: another run is preparing it; wait for its "
            "end, or set data.directory to another path"
        )
        assert place.work.is_dir()
        clear(directory)
        assert place.work.is_dir()


def test_the_lock_is_there_until_all_else_is_gone(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, locked = shutil.rmtree, []

    def removing(path: Path, ignore_errors: bool = False) -> None:
        remove(path, ignore_errors)
        locked.append((directory.parent / "dataset.partial/lock").exists())

    stop(directory, "another", KeyboardInterrupt)
    monkeypatch.setattr(shutil, "rmtree", removing)
    publish(directory, "first")
    assert len(locked) > 2
    assert all(locked)


def test_a_run_that_takes_the_place_of_one_that_ends_keeps_its_lock(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, remove = directory.parent / "dataset.partial/lock", Path.rmdir

    def removing(path: Path) -> None:
        lock.write_text("of another run")
        remove(path)

    monkeypatch.setattr(Path, "rmdir", removing)
    publish(directory, "first")
    assert lock.read_text() == "of another run"
    assert (directory / "manifest.json").read_text() == manifest("first")


def test_a_workplace_that_another_run_removes_in_this_moment_is_made_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, removed = Path.mkdir, []

    def making(
        path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        make(path, mode, parents, exist_ok)
        if path.name == "dataset.partial" and not removed:
            path.rmdir()
            removed.append(path)

    monkeypatch.setattr(Path, "mkdir", making)
    publish(directory, "first")
    assert (removed, names(directory.parent)) == (
        [directory.parent / "dataset.partial"],
        ["dataset"],
    )


def test_a_dataset_in_place_is_cleared_of_work(directory: Path) -> None:
    publish(directory, "first")
    stop(directory, "identity", KeyboardInterrupt)
    clear(directory)
    assert names(directory.parent) == ["dataset"]


def test_a_dataset_that_was_moved_aside_comes_back(directory: Path) -> None:
    publish(directory, "first")
    directory.rename(directory.parent / "dataset.replaced")
    recover(directory)
    assert (directory / "manifest.json").read_text() == manifest("first")


def test_a_directory_that_is_no_dataset_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with (
        pytest.raises(InputError, match="not empty and no dataset"),
        workplace(tmp_path, "identity"),
    ):
        pytest.fail("not reached")
    assert (tmp_path / "thesis.tex").exists()


def test_a_parent_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError) as caught,
        workplace(tmp_path / "file/dataset", "identity"),
    ):
        pytest.fail("not reached")
    assert str(caught.value) == (
        f"{tmp_path}/file/dataset.partial: cannot be worked in: Not a directory; set "
        "data.directory to another path"
    )


@pytest.mark.parametrize("name", ["lock", "identity"])
def test_a_workplace_that_cannot_be_written_is_refused_in_one_line(
    directory: Path, name: str
) -> None:
    # Permissions do not hold the root user off, a directory in a file's place does.
    partial = directory.with_name("dataset.partial")
    (partial / name).mkdir(parents=True)
    with pytest.raises(InputError) as caught, workplace(directory, "identity"):
        pytest.fail("not reached")
    assert str(caught.value) == (
        f"{partial}: cannot be worked in: Is a directory; set data.directory to another path"
    )


def test_a_dataset_that_cannot_be_moved_back_is_refused_in_one_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    publish(directory, "first")
    directory.rename(directory.parent / "dataset.replaced")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError) as caught:
        recover(directory)
    assert str(caught.value) == (
        f"{directory}: cannot be replaced: Permission denied; set data.directory to another path"
    )


def test_work_beside_a_dataset_in_place_stays_where_it_cannot_be_removed(directory: Path) -> None:
    publish(directory, "first")
    (directory.parent / "dataset.partial/lock").mkdir(parents=True)
    clear(directory)
    assert names(directory.parent) == ["dataset", "dataset.partial"]


def test_a_link_stays_and_the_dataset_goes_to_where_it_points(
    directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big/data").mkdir()
    directory.symlink_to("big/data")
    for text in ("first", "second"):
        publish(directory, text)
        assert directory.is_symlink()
        assert (tmp_path / "big/data/manifest.json").read_text() == manifest(text)
        assert (names(tmp_path), names(tmp_path / "big")) == (["big", "dataset"], ["data"])
    (tmp_path / "big/data").rename(tmp_path / "big/data.replaced")
    recover(directory)
    assert (directory / "manifest.json").read_text() == manifest("second")


def test_a_relative_directory_is_the_same_place_for_workers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with workplace(Path("dataset"), "identity") as place:
        assert place.dataset == tmp_path / "dataset.partial/dataset"
        assert place.work == tmp_path / "dataset.partial/work"
