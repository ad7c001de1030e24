"""The report of a run: one HTML page that needs no server, no network and no script.

``report/index.html`` is ``report.html`` filled in, with the style and every figure inside it.
Beside it stand the figures as data, see ``report_data.py``.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.best_validation import logloss_note, validations
from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.report_collapse import collapse_section
from pipeline.diagnostics.report_data import collapse_json, fields_csv, pairs_csv
from pipeline.diagnostics.report_gates import gates_section
from pipeline.diagnostics.report_pairs import pairs_section
from pipeline.diagnostics.report_planted import planted_section
from pipeline.diagnostics.report_tables import (
    facts,
    metrics_table,
    model_line,
    optimizer_note,
    tasks_table,
    tiles,
)
from pipeline.diagnostics.run_plots import (
    abundance_curve,
    calibration_plot,
    loss_curve,
    validation_curve,
)
from pipeline.metrics.calibration import CalibrationCurve
from pipeline.metrics.names import IN_WORDS
from pipeline.page.elements import figure, page

REPORT_FILE = Path("report") / "index.html"
HERE = Path(__file__).parent


def write_report(
    directory: Path,
    metrics: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    collapse: Sequence[FieldCollapse],
    pairs: Sequence[GroupPairs],
    calibration: CalibrationCurve,
    spec_toml: str,
) -> Path:
    """Writes the report of a run into its directory.

    Args:
        directory: the run directory.
        metrics: what ``metrics.json`` holds.
        curves: the lines of ``metrics.jsonl``.
        collapse: the model's fields.
        pairs: of each group of sets.
        calibration: of the test split.
        spec_toml: the resolved spec.

    Returns:
        The page's path.
    """
    html = render(metrics, curves, collapse, pairs, calibration, spec_toml)
    folder = (directory / REPORT_FILE).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "collapse.json", collapse_json(collapse))
    write_whole(folder / "fields.csv", fields_csv(collapse))
    write_whole(folder / "pairs.csv", pairs_csv(pairs))
    write_whole(directory / REPORT_FILE, html.encode())
    return directory / REPORT_FILE


def render(
    metrics: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    collapse: Sequence[FieldCollapse],
    pairs: Sequence[GroupPairs],
    calibration: CalibrationCurve,
    spec_toml: str,
) -> str:
    """The page. The arguments are those of ``write_report``."""
    name = escape(str(metrics["run"]["name"]))
    values = {
        "name": name,
        "model": model_line(metrics),
        "tiles": tiles(metrics, collapse),
        "metrics_table": metrics_table(metrics)
        + _logloss_hint(metrics, curves)
        + tasks_table(metrics),
        "run_figures": _run_figures(metrics, curves, calibration),
        "gates_section": gates_section(metrics),
        "collapse_section": collapse_section(
            collapse, weighted=True, optimizer_note=optimizer_note(metrics)
        ),
        "pairs_section": pairs_section(pairs) + planted_section(metrics),
        "facts": facts(metrics),
        "spec": escape(spec_toml),
    }
    return page(f"{name}: run report", HERE / "report.html", HERE / "report.css", values)


def _logloss_hint(metrics: Mapping[str, Any], curves: Sequence[Mapping[str, Any]]) -> str:
    note = logloss_note(curves, metrics["train"]["monitor"]) if _is_scored(curves) else ""
    return f'\n<p class="hint">{note}</p>' if note else ""


def _is_scored(curves: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a validation had rows of both labels."""
    return any(math.isfinite(point["auc"]) for point in validations(curves))


def _run_figures(
    metrics: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    calibration: CalibrationCurve,
) -> str:
    """Loss, validation AUC, information abundance by step, calibration; those with data."""
    figures = []
    if any(line["kind"] == "train" for line in curves):
        caption = "By step, of training and of each validation."
        figures.append(figure("Loss", caption, loss_curve(curves)))
    if _is_scored(curves):
        oracle = metrics["oracle"]["auc"] if "oracle" in metrics else None
        monitor = metrics["train"]["monitor"]
        figures += [
            figure(
                "Validation AUC",
                f"By step. The weights with the best {IN_WORDS[monitor]} are tested.",
                validation_curve(curves, monitor, oracle),
            ),
        ]
    if validations(curves):
        caption = "Mean over fields, all sets side by side, at each validation."
        figures.append(
            figure("Information abundance in training", caption, abundance_curve(curves))
        )
    if len(calibration.count):
        figures.append(
            figure(
                "Calibration on the test split",
                "Bins of equal size by prediction. On the dashed line, predictions hold.",
                calibration_plot(calibration),
            )
        )
    return "\n".join(figures)
