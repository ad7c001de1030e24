"""The studies in ``specs/``: each can run as it stands."""

from pathlib import Path

import pytest

from pipeline.spec_file import load_section
from pipeline.spec_study import StudySpec
from pipeline.study.cells import cells_of, rows_of

SPECS = Path(__file__).parents[2] / "specs"
STUDIES = [path for path in sorted(SPECS.glob("*/*.toml")) if "[grid]" in path.read_text()]


@pytest.fixture(autouse=True)
def in_the_root_of_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SPECS.parent)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_row_of_a_study_has_a_spec(path: Path) -> None:
    study = load_section(StudySpec, path, [])
    first_cells = {cell.row: cell for cell in reversed(cells_of(study))}

    for row, cell in first_cells.items():
        spec = cell.load()
        assert (spec.model.interaction, spec.run.directory) == (
            row.interaction,
            str(cell.directory),
        )
    assert first_cells.keys() <= set(rows_of(study))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_header_says_how_many_cells_there_are(path: Path) -> None:
    cells = len(cells_of(load_section(StudySpec, path, [])))

    assert f" {cells} cells" in path.read_text()
