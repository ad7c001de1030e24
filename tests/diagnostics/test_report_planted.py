"""The report's section on planted patterns."""

from typing import Any

from pages import Page

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.report import render
from pipeline.diagnostics.report_planted import planted_section
from pipeline.metrics.calibration import CalibrationCurve

FIRST = {"pairs": [["user", "item"]], "auc": 0.9, "best_set": 2, "best_set_auc": 0.75}
SECOND = {"pairs": [["user", "<hour>"], ["item", "day"]], "auc": None, "best_set": 1}
TWO = {"auc": 0.875, "patterns": [FIRST, {**SECOND, "best_set_auc": 0.5}], "specialisation": 0.25}


def test_data_without_planted_patterns_have_no_section(metrics: dict[str, Any]) -> None:
    assert planted_section(metrics) == ""


def test_a_line_a_pattern_says_where_it_was_found(metrics: dict[str, Any]) -> None:
    page = Page(planted_section({**metrics, "planted": TWO}))
    for part in (
        "user and item",
        "0.900",
        "0.750",
        "user and <hour>, item and day",
        chr(0x2013),
        "0.500",
    ):
        assert part in page.text
    assert "2 patterns" in page.text
    assert "a chance of 0.875" in page.text
    assert "specialised to 0.25" in page.text


def test_one_pattern_has_no_specialisation(metrics: dict[str, Any]) -> None:
    one = {"auc": 0.9, "patterns": [FIRST], "specialisation": None}
    section = planted_section({**metrics, "planted": one})
    assert "one pattern" in section
    assert "specialised" not in section


def test_the_section_stands_in_the_page(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    page = render({**metrics, "planted": TWO}, [], collapse, [], calibration, "")
    assert Page(page).text.count("Have the sets found the planted patterns?") == 1
