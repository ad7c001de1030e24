"""The report of a run: one HTML page that needs no server, no network and no script.

``report/index.html`` is ``report.html`` filled in, with the style and every figure inside it.
Beside it stand the figures as data, see ``report_data.py``.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.collapse_plots import abundance_bars, set_spectra, spectra
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.recommendation import recommend
from pipeline.diagnostics.report_data import collapse_json, fields_csv, pairs_csv
from pipeline.diagnostics.report_gates import gates_section
from pipeline.diagnostics.report_pairs import pairs_section
from pipeline.diagnostics.report_planted import planted_section
from pipeline.diagnostics.report_tables import (
    facts,
    field_table,
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
        "metrics_table": metrics_table(metrics) + tasks_table(metrics),
        "run_figures": _run_figures(metrics, curves, calibration),
        "gates_section": gates_section(metrics),
        "lead": _lead(collapse),
        "recommendation": _recommendation(collapse),
        "abundance_figure": _abundance_figure(collapse),
        "spectra_figures": _spectra_figures(collapse),
        "field_table": field_table(collapse),
        "pairs_section": pairs_section(pairs) + planted_section(metrics),
        "optimizer_note": optimizer_note(metrics),
        "facts": facts(metrics),
        "spec": escape(spec_toml),
    }
    return page(f"{name}: run report", HERE / "report.html", values)


def _run_figures(
    metrics: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    calibration: CalibrationCurve,
) -> str:
    """Loss, validation AUC, information abundance by epoch, calibration; those with data."""
    figures = []
    if any(line["kind"] == "train" for line in curves):
        figures.append(
            figure(
                "Loss",
                "By step; the validation split's at the end of each epoch.",
                loss_curve(curves),
            )
        )
    if any(line["kind"] == "valid" and math.isfinite(line["auc"]) for line in curves):
        oracle = metrics["oracle"]["auc"] if "oracle" in metrics else None
        figures += [
            figure(
                "Validation AUC",
                "By epoch. The best epoch's weights are the ones tested.",
                validation_curve(curves, oracle),
            ),
            figure(
                "Information abundance in training",
                "Mean over fields, all sets side by side, after each epoch.",
                abundance_curve(curves),
            ),
        ]
    if len(calibration.count):
        figures.append(
            figure(
                "Calibration on the test split",
                "Bins of equal size by prediction. On the dashed line, predictions hold.",
                calibration_plot(calibration),
            )
        )
    return "\n".join(figures)


def _lead(collapse: Sequence[FieldCollapse]) -> str:
    """The verdict on the model, in two sentences."""
    levels = [field.level for field in collapse]
    first = collapse[0]
    mean = fmean(field.together.information_abundance for field in collapse)
    sets = "one embedding set" if len(first.sets) == 1 else f"{len(first.sets)} sets side by side"
    sentences = [
        f"{levels.count('collapsed')} of {len(collapse)} fields have collapsed, "
        f"{levels.count('partly collapsed')} partly; {levels.count('spread')} use most of "
        "their dimensions.",
        f"With {sets}, {first.together.dimensions} dimensions in all, the mean information "
        f"abundance is {mean:.2f}.",
    ]
    diversity = [field.diversity for field in collapse if field.diversity is not None]
    if diversity:
        sentences.append(f"The mean diversity between sets is {fmean(diversity):.2f}.")
    return " ".join(sentences)


def _recommendation(collapse: Sequence[FieldCollapse]) -> str:
    found = recommend(collapse)
    return f"<strong>Advice: {found.advice}.</strong> {escape(found.reason)}"


def _abundance_figure(collapse: Sequence[FieldCollapse]) -> str:
    of_sets = "Bars: all sets side by side. Dots: each set alone. "
    caption = (
        f"{of_sets if len(collapse[0].sets) > 1 else ''}Orange: a random matrix of that shape."
    )
    return figure("Information abundance by field", caption, abundance_bars(collapse))


def _spectra_figures(collapse: Sequence[FieldCollapse]) -> str:
    chosen = _highlighted(collapse)
    several = len(collapse[0].sets) > 1
    figures = [
        figure(
            "Singular values, all sets side by side" if several else "Singular values",
            "A line a field. In colour: by information abundance, among fields with more rows "
            "than dimensions.",
            spectra(collapse, chosen),
        )
    ]
    if several:
        figures.append(
            figure(
                "Singular values, each set alone",
                "A line a field and set, the same fields in colour.",
                set_spectra(collapse, chosen),
            )
        )
    return "\n".join(figures)


def _highlighted(collapse: Sequence[FieldCollapse]) -> dict[str, str]:
    """The fields of highest, median and lowest information abundance, if rows do not limit them."""
    free = [field for field in collapse if field.cardinality > field.together.dimensions]
    ranked = sorted(free or collapse, key=lambda field: field.together.information_abundance)
    chosen = {"lowest": ranked[0], "highest": ranked[-1], "median": ranked[len(ranked) // 2]}
    return {chosen[rank].name: rank for rank in ("highest", "median", "lowest")}
