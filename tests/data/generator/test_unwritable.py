"""What a person reads when a generated log has nowhere to go."""

from pathlib import Path

import pytest
from full_disk import files_of_at_most

from pipeline.console import InputError
from pipeline.data.generator.generate import generate
from pipeline.spec_generator import GeneratorSpec


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.tsv"
    with pytest.raises(InputError) as caught, files_of_at_most(10_000):
        generate(path, GeneratorSpec(rows=1_000))
    assert str(caught.value) == (
        f"{path}: cannot be written: File too large; make room for it, or set data.source to "
        "another path"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"/file/log\.tsv: cannot be written: "):
        generate(tmp_path / "file/log.tsv", GeneratorSpec(rows=9))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_name_of_a_compressed_file_is_refused_before_anything_is_written(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"log.tsv{suffix}"
    with pytest.raises(InputError) as caught:
        generate(path, GeneratorSpec(rows=9))
    assert str(caught.value) == (
        f"{path}: data.generator writes plain text, which would be read as compressed; set "
        f"data.source to a path that does not end in {suffix}"
    )
    assert list(tmp_path.iterdir()) == []
