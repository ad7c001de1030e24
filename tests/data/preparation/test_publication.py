from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.data.preparation.publication import check_replaceable
from pipeline.data.preparation.unchanged import unchanged
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


def test_a_manifest_of_another_program_makes_no_dataset(tmp_path: Path) -> None:
    for text in ('{"name": "my app"}', "[1]", '{"a": 1}\n{"a": 2}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(InputError, match="not a dataset's"):
            check_replaceable(tmp_path)


def a_dataset(csv_spec) -> Path:
    spec = csv_spec(b"label,color,size\n1,red,3\n0,blue,\n")
    build(spec, {})
    directory: Path = spec.dataset_directory
    return directory


def test_a_dataset_may_be_replaced(csv_spec) -> None:
    check_replaceable(a_dataset(csv_spec))


@pytest.mark.parametrize("name", ["checkpoints/w.pt", "precious.txt", "train/photo.png"])
def test_what_no_dataset_has_is_left_alone(csv_spec, name: str) -> None:
    directory = a_dataset(csv_spec)
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).touch()
    with pytest.raises(InputError, match=f"holds {name}, which no dataset has"):
        check_replaceable(directory)


def test_a_dataset_beside_a_training_is_used_but_not_replaced(csv_spec) -> None:
    content = b"label,color,size\n1,red,3\n0,blue,\n"
    spec = csv_spec(content)
    build(spec, {})
    (spec.dataset_directory / "checkpoints").mkdir()
    (spec.dataset_directory / "checkpoints/w.pt").touch()
    assert unchanged(spec) is not None
    with pytest.raises(InputError, match="holds checkpoints/w"):
        unchanged(csv_spec(content + b"1,red,4\n"))


def test_a_mount_point_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")
    for directory in (Path("/proc"), tmp_path / "link"):
        with pytest.raises(InputError) as caught:
            check_replaceable(directory)
        assert str(caught.value) == (
            f"{directory}: a mount point, which no dataset can take the place of; set "
            f"data.directory to a path in it, such as {directory}/dataset"
        )


def test_an_empty_directory_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    check_replaceable(tmp_path / "dataset")
    replace(dataset(tmp_path / "new", "text"), tmp_path / "dataset")
    assert (tmp_path / "dataset/manifest.json").exists()
