"""The page as a browser reads it."""

import re

import numpy as np
import pytest
from pages import Page

from pipeline.data.overview.facts import Overview
from pipeline.data.overview.page import render

NASTY = '<script>alert("1 & 2")</script>'
LONG = "x" * 300


@pytest.fixture
def overview(look, rng: np.random.Generator) -> Overview:
    rows = 400
    labels = rng.integers(0, 2, rows)
    columns = {
        "label": labels,
        "word": rng.choice([NASTY, LONG, "a\x1bb", "$title", "é", ""], rows),
        "copy": labels,
        "age": rng.normal(size=rows),
        "shop": rng.integers(0, 9, rows),
    }
    fields = [
        {"name": "word"},
        {"name": "copy"},
        {"name": "age", "kind": "dense"},
        {"name": "shop", "encoding": "hash", "hash_rows": 20},
    ]
    return look(columns, fields)


@pytest.fixture
def source(overview: Overview) -> str:
    return render(overview)


@pytest.fixture
def page(source: str) -> Page:
    return Page(source)


def test_every_field_has_its_row_and_its_values(page: Page, overview: Overview) -> None:
    headed = [attributes.get("scope") for attributes in page.all("th")]
    assert set(headed) == {"row", "col"}
    for field in overview.all_fields:
        assert field.name in page.text
        assert field.encoding in page.text
    identities = [attributes.get("id") for attributes in page.all("details")]
    assert identities == [None, "field-word", "field-copy", "field-shop"]


def test_figures_of_the_overview_are_there(page: Page, overview: Overview) -> None:
    for name, split in overview.splits.items():
        assert f"{split.rows:,}" in page.text
        assert split.label_rate is not None
        assert f"{100 * split.label_rate:.2f}\xa0%" in page.text, name
    for field in overview.fields:
        assert f"{field.auc:.3f}" in page.text
        for value in field.frequent:
            assert f"{value.count:,}" in page.text


def test_values_are_text_and_nothing_else(page: Page, source: str) -> None:
    assert NASTY in page.text
    assert "script" not in {name for name, _ in page.elements}
    assert "$title" in page.text
    assert "\x1b" not in source


def test_long_values_are_cut_and_whole_on_demand(page: Page) -> None:
    assert LONG not in page.text
    assert "x" * 39 + "…" in page.text
    titles = [attributes["title"] for attributes in page.all("span") if "title" in attributes]
    assert titles == ["x" * 199 + "…"]


def test_warnings_lead_to_their_fields(page: Page, overview: Overview) -> None:
    assert [finding.name for finding in overview.warnings] == ["copy"]
    assert "1 warning" in page.text
    assert overview.warnings[0].text in page.text
    assert {"href": "#field-copy"} in page.all("a")


def test_a_page_without_warnings_says_what_was_looked_for(look, rng: np.random.Generator) -> None:
    columns = {"label": rng.integers(0, 2, 900), "n": rng.integers(0, 4, 900)}
    text = Page(render(look(columns, [{"name": "n"}]))).text
    assert "No warnings" in text
    assert "Looked for: fields that give the label away" in text


def test_the_page_refers_to_nothing_but_its_data(page: Page, source: str) -> None:
    links = [
        value
        for _, attributes in page.elements
        for key, value in attributes.items()
        if key in ("href", "src", "data", "xmlns")
    ]
    assert {link for link in links if not (link or "").startswith("#")} == {"overview.json"}
    identities = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link[1:] for link in links if (link or "").startswith("#")} <= identities
    assert not re.search(r"https?:|//\w|@import|url\(", source)


def test_the_page_can_be_read_by_everyone(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert len(page.all("h1")) == 1
    assert all("aria-label" in svg for svg in page.all("svg"))
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identities) == len(set(identities))


def test_skipped_rows_and_several_sources(look) -> None:
    columns = {"label": [0, 1, 0, 1, "x"], "n": [1, 2, 1, 2, 3], "fold": ["train"] * 5}
    overview = look(columns, [{"name": "n"}], bad_rows="skip")
    (reason,) = overview.rows_skipped
    text = Page(render(overview)).text
    assert reason in text
    assert "20.0\xa0%" in text


@pytest.mark.parametrize("has_dense", [True, False])
def test_dense_fields_have_a_table_of_their_own_if_there_are_any(look, has_dense: bool) -> None:
    columns = {"label": [0, 1, 0, 1], "n": [1, 2, 1, 3], "x": [1, 2, 3, 4], "fold": ["train"] * 4}
    fields = [{"name": "n"}, {"name": "x", "kind": "dense" if has_dense else "categorical"}]
    page = Page(render(look(columns, fields)))
    tables = [attributes["class"] for attributes in page.all("table")]
    assert "fields" in tables
    assert ("fields dense" in tables) == has_dense
