"""Every page as a reader sees it: in a browser, at the width of a desk and of a phone."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from chromium import Tab
from measured_fields import measured_field
from small_trainings import SpecMaker, train_here, write_spec
from study_cases import finished

from pipeline import evaluate
from pipeline.diagnostics.matrices.evaluation import evaluate_matrices
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.report import write_report
from pipeline.diagnostics.sub_embeddings import sorted_sub_embeddings
from pipeline.metrics.calibration import CalibrationCurve
from pipeline.spec_matrices import MatricesSpec
from pipeline.spec_study import StudySpec
from pipeline.study import page as study_page
from pipeline.study.cells import cells_of
from pipeline.study.results import entries_of
from pipeline.training.run_directory import RunDirectory, read_journal

pytestmark = pytest.mark.slow

LAYOUT = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")
WIDTHS = (1280, 390)
GATED = {"head": "gate", "groups": [{"interaction": "dcnv2", "sets": 2, "embedding_dim": 5}]}
# What every page has in closed parts is looked at too.
UNFOLD = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
AXE_RUN = """axe.run().then((found) => found.violations.map((fault) =>
    `${fault.impact}: ${fault.help}: ${fault.nodes[0].html.slice(0, 200)}`))"""


@pytest.fixture
def look(tab: Tab, axe: str, tmp_path: Path) -> Callable[[Path], list[str]]:
    """What is wrong with a page, at both widths; pictures of it stay in the test's folder."""

    def at(path: Path, width: int) -> list[str]:
        tab.open(path, width)
        tab.picture(tmp_path / f"{path.stem}-{width}.png")
        tab.value(UNFOLD)
        faults = [*tab.value(LAYOUT), *tab.errors]
        tab.value(f"{axe}; 0")
        return [f"{width}: {fault}" for fault in [*faults, *tab.value(AXE_RUN)]]

    return lambda path: [fault for width in WIDTHS for fault in at(path, width)]


def of_skewed_spectrum(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.logspace(0, -3 * (seed % 7) / 6, columns)
    return torch.randn(rows, columns, generator=generator) * scales


def test_the_report_of_a_run(make_spec: SpecMaker, look: Callable[[Path], list[str]]) -> None:
    spec = make_spec(model=GATED)
    train_here(spec)
    evaluate.main([str(write_spec(spec))])
    assert look(RunDirectory(spec.run_directory).report_file) == []


def test_the_report_of_39_fields(
    make_spec: SpecMaker, look: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    spec = make_spec()
    train_here(spec)
    evaluate.main([str(write_spec(spec))])
    directory = RunDirectory(spec.run_directory)
    metrics = json.loads(directory.metrics_file.read_text())
    names = [*(f"integer_{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
    collapse = [
        measured_field(name, [of_skewed_spectrum(4 + 3 * i * i, 10, i + m) for m in range(4)])
        for i, name in enumerate(names)
    ]
    rng = np.random.default_rng(0)
    of_pairs = [torch.from_numpy(rng.uniform(1, 40, 39)) for _ in names]
    abundance = [field.together.information_abundance for field in collapse]
    sub_embeddings = sorted_sub_embeddings(names, abundance, of_pairs)
    pairs = GroupPairs("4 x 10 dcnv2", tuple(names), sub_embeddings, rng.uniform(0, 1, (4, 39, 39)))
    rates = np.linspace(0.01, 0.9, 20)
    curve = CalibrationCurve(rates, rates**1.1, np.full(20, 1000))
    journal = read_journal(directory.journal_file)
    path = write_report(tmp_path / "wide", metrics, journal, collapse, [pairs], curve, "[run]")
    assert look(path) == []


def test_the_report_of_matrices(tmp_path: Path, look: Callable[[Path], list[str]]) -> None:
    tensors = {
        f"tables.{m}.{name}": of_skewed_spectrum(rows, 12, rows + m)
        for name, rows in (("users_by_their_country", 3000), ("item", 500), ("day", 7))
        for m in range(3)
    }
    torch.save(tensors, tmp_path / "m.pt")
    out = {"directory": str(tmp_path / "run")}
    spec = MatricesSpec.model_validate({"run": out, "tensors": "tables.{set}.{field}"})
    evaluate_matrices(tmp_path / "m.pt", spec)
    assert look(tmp_path / "run" / "report" / "index.html") == []


def test_the_report_of_one_matrix(tmp_path: Path, look: Callable[[Path], list[str]]) -> None:
    np.save(tmp_path / "items.npy", of_skewed_spectrum(300, 64, 3).numpy())
    spec = MatricesSpec.model_validate({"run": {"directory": str(tmp_path / "run")}})
    evaluate_matrices(tmp_path / "items.npy", spec)
    assert look(tmp_path / "run" / "report" / "index.html") == []


def test_the_overview_of_a_dataset(tiny_dataset: Path, look: Callable[[Path], list[str]]) -> None:
    assert look(tiny_dataset / "overview.html") == []


def test_the_page_of_a_study(tmp_path: Path, look: Callable[[Path], list[str]]) -> None:
    base = tmp_path / "base.toml"
    base.write_text('[run]\ndirectory = "run"\n[data]\nformat = "criteo"\nsource = "train.txt"\n')
    grid = {"interactions": ["dcnv2", "dnn"], "factors": [1, 2, 4, 10], "seeds": [0, 1]}
    values = {"title": "A study", "directory": str(tmp_path / "studies"), "grid": grid}
    study = StudySpec.model_validate({**values, "bases": {"clicks": str(base)}})
    rng = np.random.default_rng(0)
    aucs = {cell.directory.name: 0.8 + 0.01 * rng.random() for cell in cells_of(study)}
    results = finished(study, aucs)
    path = tmp_path / "study.html"
    path.write_text(study_page.render(study, entries_of(study, results), results, [], len(aucs)))
    assert look(path) == []


def test_faults_are_found(tmp_path: Path, look: Callable[[Path], list[str]]) -> None:
    figure = '<svg role="img" aria-label="a" width="200" height="40" viewBox="0 0 200 40">{}</svg>'
    touching = '<text x="10" y="20">first</text><text x="20" y="22">second</text>'
    cut = '<text x="170" y="20">too long a label</text><path d="M0 0h9v9z"/>'
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title></head><body>'
        f"<main><h1>t</h1>{figure.format(touching)}{figure.format(cut)}"
        '<p style="color: #ccc; width: 2000px">pale</p><img src="absent.png"></main></body></html>'
    )
    (tmp_path / "bad.html").write_text(page)
    faults = "\n".join(look(tmp_path / "bad.html"))
    for part in (
        "'first' and 'second' overlap",
        "'too long a label' is cut off",
        "nothing is drawn",
        "the page is 20",
        "ERR_FILE_NOT_FOUND",
        "serious: Elements must meet minimum color contrast",
        "critical: Images must have alternative text",
    ):
        assert part in faults
