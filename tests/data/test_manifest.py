"""What a person reads when a dataset directory is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest


def refusal(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_manifest(directory)
    return str(caught.value)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: None])
def test_a_path_without_a_manifest_is_no_dataset(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "dataset")
    assert refusal(tmp_path / "dataset") == (
        f"{tmp_path}/dataset: not a whole dataset directory, manifest.json is missing; run "
        "`python -m pipeline.prepare SPEC`"
    )


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    assert refusal(tmp_path) == f"{tmp_path}/manifest.json: cannot be read: Is a directory"
