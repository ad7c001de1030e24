"""The report's section on a mixture of experts."""

from typing import Any

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.report import render
from pipeline.diagnostics.report_gates import gates_section
from pipeline.metrics.calibration import CalibrationCurve

CLICK = {
    "entropy": 0.83,
    "weight": {"g0 dcnv2 s0": 0.75, "g1 dnn s0": 0.25},
    "load": {"g0 dcnv2 s0": 0.9, "g1 dnn s0": 0.1},
}
BUY = {
    "entropy": 0.97,
    "weight": {"g0 dcnv2 s0": 0.375, "g1 dnn s0": 0.625},
    "load": {"g0 dcnv2 s0": 0.25, "g1 dnn s0": 0.75},
}


def test_the_mean_head_has_no_section(metrics: dict[str, Any]) -> None:
    assert gates_section(metrics) == ""


def test_every_expert_has_its_weight_and_load(metrics: dict[str, Any]) -> None:
    section = gates_section({**metrics, "gate": {"click": CLICK}})
    for part in ("g0 dcnv2 s0", "g1 dnn s0", "0.750", "0.250", "0.900", "0.100", "--share:75.0%"):
        assert part in section
    assert "entropy of the weights is 0.83" in section
    assert "g0 dcnv2 s0 weighs most, 0.75 on average" in section
    assert "click" not in section


def test_several_tasks_stand_side_by_side(metrics: dict[str, Any]) -> None:
    section = gates_section({**metrics, "gate": {"click": CLICK, "buy <now>": BUY}})
    for part in ("Weight, click", "Load, buy &lt;now&gt;", "0.625", "g1 dnn s0 weighs most"):
        assert part in section
    assert section.count("<tr>") == 3


def test_the_section_stands_in_the_page(
    metrics: dict[str, Any], collapse: list[FieldCollapse], calibration: CalibrationCurve
) -> None:
    page = render({**metrics, "gate": {"click": CLICK}}, [], collapse, [], calibration, "")
    assert page.count("Which experts count?") == 1
    assert "Which experts count?" not in render(metrics, [], collapse, [], calibration, "")
