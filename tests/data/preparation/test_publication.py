from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.preparation.publication import building, check_replaceable, restore


def publish(directory: Path, text: str) -> None:
    with building(directory) as place:
        (place.dataset / "manifest.json").write_text(text)
        (place.work / "scratch").write_text("gone in the end")


def test_a_directory_appears_whole_and_replaces_the_one_before(tmp_path: Path) -> None:
    for text in ("first", "second"):
        publish(tmp_path / "dataset", text)
        assert (tmp_path / "dataset/manifest.json").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    publish(tmp_path / "dataset", "first")

    def fail() -> None:
        with building(tmp_path / "dataset") as place:
            (place.dataset / "manifest.json").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / "dataset/manifest.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_the_rest_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    (tmp_path / "dataset.partial/work").mkdir(parents=True)
    publish(tmp_path / "dataset", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_dataset_moved_aside_by_a_killed_run_comes_back(tmp_path: Path) -> None:
    publish(tmp_path / "dataset", "first")
    (tmp_path / "dataset").rename(tmp_path / "dataset.replaced")
    restore(tmp_path / "dataset")
    assert (tmp_path / "dataset/manifest.json").read_text() == "first"


def test_a_directory_that_is_no_dataset_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(InputError, match="not empty and no dataset"), building(tmp_path):
        pytest.fail("not reached")
    assert (tmp_path / "thesis.tex").exists()


def test_an_empty_directory_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    check_replaceable(tmp_path / "dataset")
    publish(tmp_path / "dataset", "text")
    assert (tmp_path / "dataset/manifest.json").exists()
