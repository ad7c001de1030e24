"""When a dataset that stands is what the spec asks for, and when it is prepared again."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.data.preparation.unchanged import unchanged
from pipeline.data.preparation.verification import find_faults
from pipeline.spec import Spec


@pytest.fixture
def split_spec(make_spec, tmp_path: Path):
    """Builds the spec of given splits of four files of ten rows."""
    for name in "abcd":
        rows = "".join(f"{row % 2},{name}{row}\n" for row in range(10))
        (tmp_path / f"{name}.csv").write_text("label,color\n" + rows)

    def make(train: list[str], valid: list[str], test: list[str]) -> Spec:
        splits = {"train": train, "valid": valid, "test": test}
        fields = [{"name": "color"}]
        return make_spec(format="csv", source=str(tmp_path), fields=fields, splits=splits)

    return make


def test_a_file_that_moved_to_another_split_replaces_the_dataset(split_spec) -> None:
    build(split_spec(["a.csv", "b.csv"], ["c.csv"], ["d.csv"]), {})
    moved = split_spec(["a.csv"], ["b.csv", "c.csv"], ["d.csv"])
    assert find_faults(moved) == [
        "data.splits: the files are of other splits than those that the dataset was prepared from"
    ]
    splits = build(moved, {}).splits
    assert {name: split.rows for name, split in splits.items()} == {
        "train": 10,
        "valid": 20,
        "test": 10,
    }
    assert unchanged(moved) is not None


@pytest.mark.parametrize("text", ["[1]", "{", '{"schema_version": 5}'])
def test_a_manifest_of_another_program_is_refused_in_one_line(split_spec, text: str) -> None:
    spec = split_spec(["a.csv"], ["b.csv"], ["c.csv"])
    spec.dataset_directory.mkdir()
    (spec.dataset_directory / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="is missing or not a dataset's"):
        unchanged(spec)


def test_a_pipe_is_not_read_to_be_compared(make_spec, tmp_path: Path) -> None:
    row = "\t".join(["1", *["3"] * 13, *["ab"] * 26]) + "\n"
    source = tmp_path / "train.txt"
    os.mkfifo(source)
    spec = make_spec(format="criteo", source=str(source))
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(source.write_text, row * 40)
        assert build(spec, {}).rows_read == 40
        written.result()
    # Opened to read and write, so that nothing waits for the other end.
    pipe = os.open(source, os.O_RDWR)
    os.write(pipe, row.encode())
    assert unchanged(spec) is None
    assert os.read(pipe, 1 << 16) == row.encode()
    os.close(pipe)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "file",
    ["train/part-00000.parquet", "vocabulary/color.parquet", "overview.html", "overview.json"],
)
@pytest.mark.parametrize("damage", [cut_short, Path.unlink])
def test_a_damaged_file_is_mended_by_preparing_again(split_spec, file: str, damage) -> None:
    spec = split_spec(["a.csv"], ["b.csv"], ["c.csv"])
    manifest = build(spec, {})
    damage(spec.dataset_directory / file)
    assert unchanged(spec) is None
    assert build(spec, {}) == manifest
    assert find_faults(spec) == []
