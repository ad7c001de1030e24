from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.preparation.publication import check_replaceable
from pipeline.data.whole_directories import replace, restore


def dataset(directory: Path, text: str) -> Path:
    directory.mkdir()
    (directory / "manifest.json").write_text(text)
    return directory


def test_a_directory_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for text in ("first", "second"):
        replace(dataset(tmp_path / "new", text), tmp_path / "dataset")
        assert (tmp_path / "dataset/manifest.json").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_dataset_moved_aside_by_a_killed_run_comes_back(tmp_path: Path) -> None:
    dataset(tmp_path / "dataset", "first").rename(tmp_path / "dataset.replaced")
    restore(tmp_path / "dataset")
    assert (tmp_path / "dataset/manifest.json").read_text() == "first"


def test_a_directory_that_is_no_dataset_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(InputError, match="not empty and no dataset"):
        check_replaceable(tmp_path)


def test_an_empty_directory_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    check_replaceable(tmp_path / "dataset")
    replace(dataset(tmp_path / "new", "text"), tmp_path / "dataset")
    assert (tmp_path / "dataset/manifest.json").exists()
