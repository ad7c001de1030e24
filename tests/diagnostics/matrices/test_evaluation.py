"""From a file to figures and a page."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matrix_files import evaluate_file, write_safetensors
from pages import Page

from pipeline.console import InputError
from pipeline.diagnostics.gram_sum import block_rows
from pipeline.diagnostics.matrices import measuring
from pipeline.diagnostics.matrices.evaluation import evaluate_matrices
from pipeline.spec_matrices import MatricesSpec


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields of more than 24 rows of 6 columns take several reads."""
    monkeypatch.setattr("pipeline.diagnostics.gram_sum.BLOCK_BYTES", 1)
    monkeypatch.setattr(measuring, "BLOCKS_READ", 2)
    assert block_rows(6) == 12


def settings(where: Path, **values: object) -> MatricesSpec:
    return MatricesSpec.model_validate({"run": {"directory": str(where)}, **values})


def figures(where: Path) -> dict[str, dict[str, str]]:
    with (where / "report" / "fields.csv").open() as file:
        return {line["field"]: line for line in csv.DictReader(file)}


def abundance(matrix: np.ndarray) -> float:
    values = np.linalg.svd(matrix.astype("f8"), compute_uv=False)
    return float(values.sum() / values[0])


def test_every_format_has_the_figures_of_a_direct_svd(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    matrix = (rng.standard_normal((100, 6)) * [9, 3, 1, 1, 0.1, 0.01]).astype("f4")
    np.save(tmp_path / "a.npy", matrix)
    write_safetensors(tmp_path / "a.safetensors", {"items": matrix})
    torch.save({"items": torch.from_numpy(matrix)}, tmp_path / "a.pt")
    for name, field in (("a.npy", "a"), ("a.safetensors", "items"), ("a.pt", "items")):
        evaluate_matrices(tmp_path / name, settings(tmp_path / "run"))
        found = figures(tmp_path / "run")[field]
        assert float(found["information_abundance"]) == pytest.approx(abundance(matrix), abs=1e-8)
        assert found["level"] == "collapsed"
        assert found["dimensions_for_95_percent_of_energy"] == "2"


def test_sets_of_a_field_are_measured_side_by_side_and_against_each_other(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    sets = [rng.standard_normal((60, 3)) for _ in range(2)]
    write_safetensors(tmp_path / "m.safetensors", {f"t{m}.user": sets[m] for m in (0, 1)})

    evaluate_matrices(
        tmp_path / "m.safetensors", settings(tmp_path / "run", tensors="t{set}.{field}")
    )

    found = figures(tmp_path / "run")["user"]
    assert float(found["information_abundance"]) == pytest.approx(abundance(np.hstack(sets)))
    bases = [np.linalg.qr(one)[0] for one in sets]
    cosines = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    assert float(found["diversity"]) == pytest.approx(1 - cosines.mean(), abs=1e-7)


def test_rows_are_weighted_by_a_file_of_counts(tmp_path: Path, rng: np.random.Generator) -> None:
    matrix, counts = rng.standard_normal((50, 4)), rng.integers(0, 9, 50)
    np.save(tmp_path / "items.npy", matrix)
    np.save(tmp_path / "counts.npy", counts)

    spec = settings(tmp_path / "run", counts=str(tmp_path / "counts.npy"))
    evaluate_matrices(tmp_path / "items.npy", spec)

    found = figures(tmp_path / "run")["items"]
    weighted = abundance(matrix * np.sqrt(counts)[:, None])
    assert float(found["weighted_information_abundance"]) == pytest.approx(weighted, abs=1e-8)
    assert "Weighted" in (tmp_path / "run" / "report" / "index.html").read_text()


def test_the_page_shows_what_was_read_and_advice_for_each_size(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    tensors = {"user<1>": rng.standard_normal((90, 6)), "item": rng.standard_normal((70, 4))}
    write_safetensors(tmp_path / "m.safetensors", tensors)

    evaluate_matrices(tmp_path / "m.safetensors", settings(tmp_path / "run", tensors=["*"]))

    page = Page((tmp_path / "run" / "report" / "index.html").read_text())
    for part in ("user<1>", "90 x 6", "70 x 4", "F64", "Advice for fields of 4 dimensions"):
        assert part in page.text
    assert "Weighted" not in page.text
    assert "Optimizer" not in page.text
    links = {anchor["href"] for anchor in page.all("a")}
    assert links == {"collapse.json", "fields.csv"}
    assert all((tmp_path / "run" / "report" / str(link)).exists() for link in links)
    data = json.loads((tmp_path / "run" / "report" / "collapse.json").read_text())
    assert [field["name"] for field in data] == ["user<1>", "item"]


def test_what_cannot_be_measured_is_refused_and_leaves_no_report(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    matrix = rng.standard_normal((50, 4))
    np.save(tmp_path / "items.npy", matrix)
    np.save(tmp_path / "few.npy", np.ones(49))
    np.save(tmp_path / "negative.npy", np.full(50, -1))
    matrix[30, 2] = np.nan
    np.save(tmp_path / "nan.npy", matrix)
    for name, counts, line in (
        ("nan.npy", "", "'nan' holds values that are not finite"),
        ("items.npy", "few.npy", "49 counts for the 50 rows"),
        ("items.npy", "negative.npy", "below 0"),
        ("items.npy", "items.npy", "has no counts"),
    ):
        spec = settings(tmp_path / "run", counts=str(tmp_path / counts) if counts else "")
        with pytest.raises(InputError, match=line):
            evaluate_matrices(tmp_path / name, spec)
    assert not (tmp_path / "run").exists()


def test_a_trainings_directory_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "items.npy", np.eye(3))
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a training's run; give another run\.directory"):
        evaluate_matrices(tmp_path / "items.npy", settings(tmp_path))


def test_the_command_lists_the_matrices_of_a_file_of_several(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.randn(5, 2), "b.weight": torch.randn(4, 3)}, tmp_path / "m.pt")

    listed = evaluate_file("m.pt", where=tmp_path)
    done = evaluate_file("m.pt", "tensors=a.*", where=tmp_path)
    wrong = evaluate_file("m.pt", "tensor=a", where=tmp_path)

    assert listed.stdout.splitlines() == ["a.weight  5 x 2  float32", "b.weight  4 x 3  float32"]
    assert listed.returncode == wrong.returncode == 2
    assert listed.stderr.startswith("error: m.pt: holds 2 matrices")
    assert wrong.stderr == "error: m.pt: tensor: unknown key; did you mean 'tensors'?\n"
    assert "a.weight: 5 x 2" in done.stdout
    assert (tmp_path / "runs" / "m" / "report" / "index.html").exists()
