import re
from pathlib import Path

import pytest
from pages import Page
from study_cases import StudyMaker, finished

from pipeline.spec_study import StudySpec
from pipeline.study.cells import cells_of
from pipeline.study.launching import Failure
from pipeline.study.page import render
from pipeline.study.results import entries_of

AUCS = {
    f"{interaction}-{embedding}-{factor}x-seed{seed}": 0.8 + 0.001 * factor + 0.0003 * seed
    for interaction in ("dcnv2", "dnn")
    for embedding, factor in (("single", 1), ("single", 4), ("multi", 4))
    for seed in (0, 1)
}


@pytest.fixture
def study(make_study: StudyMaker) -> StudySpec:
    grid = {"interactions": ["dcnv2", "dnn"], "factors": [1, 4], "seeds": [0, 1]}
    published = {"base": "clicks", "interaction": "dnn", "embedding": "single"}
    figures = {"factors": [1, 4], "auc": [0.81228, 0.81213]}
    return make_study(grid=grid, published=[{**published, **figures}], source="Table 5")


@pytest.fixture
def source(study: StudySpec) -> str:
    results = finished(study, AUCS)
    return render(study, entries_of(study, results), results, [], 12)


def test_the_page_is_well_formed_and_needs_nothing_else(source: str) -> None:
    page = Page(source)
    assert page.all("script") == page.all("link") == page.all("img") == []
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(identities)) == len(identities)
    labels = {attributes.get("aria-labelledby") for _, attributes in page.elements} - {None}
    assert labels <= set(identities)


def test_a_title_is_text_and_no_markup(source: str) -> None:
    assert "<h1>A &lt;study&gt;</h1>" in source


def test_every_interaction_has_its_figures_with_what_they_show(source: str) -> None:
    labels = [figure["aria-label"] for figure in Page(source).all("svg")]
    assert len(labels) == 2 * 4
    assert sum("dnn-single at 4x 0.80415" in (label or "") for label in labels) == 1
    assert sum("information abundance by factor" in (label or "") for label in labels) == 2


def test_the_published_figures_stand_below_ours(source: str) -> None:
    assert re.search(r"single, published</td><td>0.81228</td><td>0.81213</td>", source)


def test_failed_cells_are_shown_with_the_end_of_their_log(study: StudySpec) -> None:
    results = finished(study, {name: auc for name, auc in AUCS.items() if "seed0" in name})
    failed = Failure(cells_of(study)[-1], Path("a.log"), ("error: <no> memory",))
    page = Page(render(study, entries_of(study, results), results, [failed], 12))
    assert "clicks/dnn-multi-4x-seed1 failed" in page.text
    assert "error: <no> memory" in page.text
    assert "6 of 12" in page.text


def test_a_page_of_nothing_done_is_whole(study: StudySpec) -> None:
    page = Page(render(study, entries_of(study, []), [], [], 12))
    assert "0 of 12" in page.text
    assert page.all("svg") == []


def test_multi_and_single_are_counted_where_the_smallest_factor_is_not_1(
    make_study: StudyMaker,
) -> None:
    study = make_study(grid={"interactions": ["dcnv2"], "factors": [4], "seeds": [0]})
    results = finished(study, {"dcnv2-single-4x-seed0": 0.80, "dcnv2-multi-4x-seed0": 0.81})
    source = render(study, entries_of(study, results), results, [], 2)
    assert re.search(r"Multi ahead of single.{0,60}1 of 1", source, re.DOTALL)
