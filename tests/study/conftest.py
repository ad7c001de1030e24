"""Studies for the tests of the study layer."""

from pathlib import Path
from typing import Any

import pytest
from study_cases import StudyMaker

from pipeline.spec_study import StudySpec


@pytest.fixture
def base_spec(tmp_path: Path) -> Path:
    """An experiment's spec, of data that nobody reads."""
    path = tmp_path / "base.toml"
    path.write_text(
        f'[run]\ndirectory = "{tmp_path}/run"\n[data]\nformat = "criteo"\nsource = "train.txt"\n'
    )
    return path


@pytest.fixture
def make_study(base_spec: Path, tmp_path: Path) -> StudyMaker:
    """A study of dcnv2 at 1x and 4x with two seeds; keys given replace its own."""

    def make(**changes: Any) -> StudySpec:
        values: dict[str, Any] = {
            "title": "A <study>",
            "directory": str(tmp_path / "studies"),
            "bases": {"clicks": str(base_spec)},
            "grid": {"interactions": ["dcnv2"], "factors": [1, 4], "seeds": [0, 1]},
        }
        return StudySpec.model_validate({**values, **changes})

    return make
