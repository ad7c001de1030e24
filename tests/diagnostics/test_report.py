import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages import Page

from pipeline.diagnostics import report
from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.recommendation import recommend
from pipeline.diagnostics.report import render, write_report
from pipeline.metrics.calibration import CalibrationCurve

SPEC = '[run]\ndirectory = "runs/<demo>"\n'


@pytest.fixture(scope="module")
def source(
    finished_metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    pairs: list[GroupPairs],
    calibration: CalibrationCurve,
) -> str:
    return render(finished_metrics, curves, collapse, pairs, calibration, SPEC)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_the_page_says_what_the_run_is(page: Page) -> None:
    assert "clicks & <views>" in page.text
    for part in ("dcnv2, 2 embedding sets of 4 dimensions", "mean head", "seed 7"):
        assert part in page.text
    for fact in ("8,000", "1,001", "107 ids", "856", "123,456", "1 min 23 s", "8,123 samples/s"):
        assert fact in page.text
    assert SPEC in page.text


def test_the_page_has_the_metrics_of_test_validation_and_oracle(page: Page) -> None:
    for value in ("0.7498", "0.5034", "0.8145", "1.021", "0.7512", "0.5012", "0.8000", "83.3"):
        assert value in page.text


def test_the_page_has_every_field_with_its_measures(
    page: Page, collapse: list[FieldCollapse]
) -> None:
    for field in collapse:
        assert field.name in page.text
        assert field.verdict.replace(" %", "\xa0%") in page.text
        assert f"{field.together.information_abundance:.2f}" in page.text
        assert f"{field.diversity:.2f}" in page.text


def test_the_page_has_advice_with_its_reason(page: Page, collapse: list[FieldCollapse]) -> None:
    found = recommend(collapse)

    assert f"Advice: {found.advice}." in page.text
    assert found.reason in page.text


def test_the_page_has_every_figure_with_a_label(page: Page) -> None:
    figures = [svg for svg in page.all("svg") if svg.get("role") == "img"]

    labels = " ".join(svg["aria-label"] or "" for svg in figures)

    assert len(figures) == 10
    for start in (
        "Training loss",
        "Validation AUC by step. The tested model's is 0.7512, at step 80 in epoch 1.",
        "Mean information abundance by step, from 4.00 to 3.00",
        "Observed rate",
        "Information abundance of 3 fields",
        "Singular values of every field with all sets",
        "Singular values of every field of each set",
    ):
        assert start in labels


def test_the_page_says_by_which_metric_the_tested_weights_are_the_best(page: Page) -> None:
    assert "The weights with the best AUC are tested." in page.text


def test_the_page_says_where_an_earlier_epoch_had_the_lower_logloss(
    finished_metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    pairs: list[GroupPairs],
    calibration: CalibrationCurve,
    page: Page,
) -> None:
    overfitted = [*curves[:-1], {**curves[-1], "logloss": 0.4}]
    source = render(finished_metrics, overfitted, collapse, pairs, calibration, SPEC)
    assert "their validation logloss is 0.5000, and it was 0.4000 at step 160" in source
    assert "Who needs probabilities" not in page.text


def test_the_page_refers_to_nothing_outside_its_run(page: Page) -> None:
    links = [
        value
        for _, attributes in page.elements
        for key, value in attributes.items()
        if key in ("href", "src", "xlink:href", "xmlns", "data")
    ]

    inside = ("#", "data:image/png;base64,")
    assert {link for link in links if not (link or "").startswith(inside)} == {
        "collapse.json",
        "fields.csv",
        "pairs.csv",
        "../metrics.json",
        "../metrics.jsonl",
    }
    assert "script" not in {name for name, _ in page.elements}


def test_the_source_of_the_page_holds_no_address(source: str) -> None:
    assert not re.search(r"https?:|//\w|@import", source)


def test_identities_are_unique_and_every_reference_has_one(page: Page) -> None:
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    references = re.findall(r"#([\w-]+)(?=['\")])", str(page.elements))

    assert len(identities) == len(set(identities))
    assert {name for name in references if not re.fullmatch("[0-9a-f]{6}", name)} <= set(identities)


def test_the_page_can_be_read_by_everyone(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert all(heading.get("scope") in ("col", "row") for heading in page.all("th"))
    assert len(page.all("h1")) == 1
    assert all("aria-label" in svg or svg.get("aria-hidden") for svg in page.all("svg"))


def test_a_single_embedding_has_no_columns_of_sets(
    metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    single_collapse: list[FieldCollapse],
    calibration: CalibrationCurve,
) -> None:
    metrics["model"] |= {"sets": 1}

    text = Page(render(metrics, curves, single_collapse, [], calibration, SPEC)).text

    assert "single embedding of 4 dimensions" in text
    assert "Each set" not in text
    assert "Singular values, each set alone" not in text


def test_a_mixture_has_the_size_of_each_group(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    mixture = "dcnv2 2 x 16 + dnn 1 x 8"
    metrics["model"] |= {"interaction": mixture, "groups": 2, "sets": 3, "embedding_dim": 16}

    text = Page(render(metrics, [], collapse, [], calibration, SPEC)).text

    assert f"{mixture}, 3 embedding sets · " in text


def test_several_tasks_have_their_metrics_side_by_side(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    plain = Page(render(metrics, [], collapse, [], calibration, SPEC)).text
    for split in ("test", "valid"):
        tasks = {"click": dict(metrics[split]), "buy <now>": dict(metrics[split])}
        metrics[split]["tasks"] = tasks
    metrics["test"]["tasks"]["buy <now>"]["auc"] = 0.6543
    metrics["valid"]["tasks"]["buy <now>"]["auc"] = 0.6789

    text = Page(render(metrics, [], collapse, [], calibration, SPEC)).text

    assert "By task" not in plain
    for part in ("By task", "buy <now>", "0.6543", "0.6789", "the first task, click"):
        assert part in text
    assert "The best epoch was chosen by click's AUC on the validation split" in text
    metrics["train"]["monitor"] = "loss"
    text = Page(render(metrics, [], collapse, [], calibration, SPEC)).text
    assert "The best epoch was chosen by that loss on the validation split" in text


def test_mixed_updates_are_said_to_move_other_rows_of_some_tables(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    metrics["embedding_optimizer"]["semantics"] = "mixed"
    text = Page(render(metrics, [], collapse, [], calibration, SPEC)).text
    assert "move too in tables that every rank holds whole" in text


def test_gauc_stands_beside_auc_where_it_is_measured(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    without = Page(render(metrics, [], collapse, [], calibration, SPEC)).text
    metrics["test"]["gauc"] = 0.6347
    text = Page(render(metrics, [], collapse, [], calibration, SPEC)).text
    assert "GAUC" not in without
    assert "GAUC" in text
    assert "0.6347" in text


def test_real_data_has_no_oracle(
    metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    calibration: CalibrationCurve,
) -> None:
    del metrics["oracle"], metrics["share_of_oracle"]

    text = Page(render(metrics, curves, collapse, [], calibration, SPEC)).text

    assert "Oracle" not in text
    assert "0.7498" in text


def test_a_run_without_curves_has_no_empty_figures(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    page = Page(render(metrics, [], collapse, [], calibration, SPEC))

    assert "Loss" not in [attributes.get("aria-label") for attributes in page.all("svg")]
    assert len(page.all("figure")) == 4


def test_the_report_and_its_data_stand_in_the_run_directory(
    tmp_path: Path,
    metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    calibration: CalibrationCurve,
) -> None:
    path = write_report(tmp_path, metrics, curves, collapse, [], calibration, SPEC)

    assert path == tmp_path / "report" / "index.html"
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["collapse.json", "fields.csv", "index.html", "pairs.csv"]
    data = json.loads((path.parent / "collapse.json").read_text())
    assert [field["name"] for field in data] == ["user", "item", "weekday"]
    assert data[0]["together"]["singular_values"][0] == 1
    assert data[0]["sets"][1]["effective_rank"] == collapse[0].sets[1].effective_rank


def test_the_same_run_writes_the_same_report(
    source: str,
    metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    pairs: list[GroupPairs],
    calibration: CalibrationCurve,
) -> None:
    assert render(metrics, curves, collapse, pairs, calibration, SPEC) == source


def test_a_report_that_is_interrupted_leaves_the_former_one(
    tmp_path: Path,
    metrics: dict[str, Any],
    single_collapse: list[FieldCollapse],
    calibration: CalibrationCurve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_report(tmp_path, metrics, [], single_collapse, [], calibration, "[old]")
    before = path.read_text()

    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(report.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, metrics, [], single_collapse, [], calibration, "[new]")

    assert path.read_text() == before
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["collapse.json", "fields.csv", "index.html", "pairs.csv"]


def test_a_run_whose_figures_are_incomplete_leaves_no_report(
    tmp_path: Path,
    metrics: dict[str, Any],
    curves: list[dict[str, Any]],
    collapse: list[FieldCollapse],
    calibration: CalibrationCurve,
) -> None:
    del metrics["test"]["auc"]

    with pytest.raises(KeyError):
        write_report(tmp_path, metrics, curves, collapse, [], calibration, SPEC)

    assert list(tmp_path.iterdir()) == []
