"""The report of a file's matrices: the section on collapse of a run's report, and what was read."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.matrices.choosing import ChosenField
from pipeline.diagnostics.report import REPORT_FILE
from pipeline.diagnostics.report_collapse import collapse_section
from pipeline.diagnostics.report_data import collapse_json, fields_csv
from pipeline.page.elements import page, table

BODY = Path(__file__).with_name("matrices.html")
STYLE = Path(__file__).parents[1] / "report.css"


def write_matrices_report(
    directory: Path,
    path: Path,
    fields: Sequence[ChosenField],
    collapse: Sequence[FieldCollapse],
    weighted: bool,
) -> Path:
    """Writes ``report/index.html``, ``collapse.json`` and ``fields.csv`` into a directory.

    Args:
        directory: made where it is missing.
        path: the file that was read.
        fields: of it.
        collapse: their measures, in the same order.
        weighted: whether it is known how often rows occur; without, every row counts once.

    Returns:
        The page's path.
    """
    html = render(path, fields, collapse, weighted)
    folder = (directory / REPORT_FILE).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "collapse.json", collapse_json(collapse))
    write_whole(folder / "fields.csv", fields_csv(collapse))
    write_whole(directory / REPORT_FILE, html.encode())
    return directory / REPORT_FILE


def render(
    path: Path,
    fields: Sequence[ChosenField],
    collapse: Sequence[FieldCollapse],
    weighted: bool,
) -> str:
    """The page; the arguments are those of ``write_matrices_report``."""
    matrices = sum(len(field.sets) for field in fields)
    values = sum(field.rows * field.columns for field in fields)
    parts = [
        f"{matrices:,} {'matrix' if matrices == 1 else 'matrices'}",
        f"{values:,} values",
        "rows weighted by their counts" if weighted else "every row counts once",
    ]
    rows = [
        [
            escape(field.name),
            escape(matrix.name),
            f"{matrix.shape[0]:,} x {matrix.shape[1]:,}",
            escape(matrix.kind),
        ]
        for field in fields
        for matrix in field.sets
    ]
    name = escape(path.name)
    filled = {
        "name": name,
        "subtitle": " · ".join(f"<span>{part}</span>" for part in parts),
        "collapse_section": collapse_section(collapse, weighted, optimizer_note=""),
        "tensors_table": table(
            "tensors",
            "Matrices of the file",
            ["Field", "Tensor", "Shape", "Type"],
            rows,
            ["Tensor"],
        ),
    }
    return page(f"{name}: embedding matrices", BODY, STYLE, filled)
