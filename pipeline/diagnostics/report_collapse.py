"""The report's section on collapse: the verdict, advice, figures, and every field's measures."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from statistics import fmean

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.collapse_plots import abundance_bars, set_spectra, spectra
from pipeline.diagnostics.recommendation import recommend
from pipeline.diagnostics.report_tables import field_table
from pipeline.page.elements import figure, fragment

BODY = Path(__file__).with_name("report_collapse.html")

_WEIGHTED = (
    "Information abundance with every row weighted by how often it occurs. Rows that are hardly "
    "ever trained stay at their random start and make a field look more spread than what the model "
    "uses."
)

_LEVELS = {
    "collapsed": "has collapsed",
    "partly collapsed": "has partly collapsed",
    "spread": "is spread",
}


def collapse_section(collapse: Sequence[FieldCollapse], weighted: bool, optimizer_note: str) -> str:
    """The section.

    Args:
        collapse: the fields.
        weighted: whether it is known how often rows occur.
        optimizer_note: what trained the tables; "" where that is not known.
    """
    values = {
        "lead": _lead(collapse),
        "advice": "\n".join(_advice(collapse)),
        "abundance_figure": _abundance_figure(collapse),
        "spectra_figures": _spectra_figures(collapse),
        "field_table": field_table(collapse, weighted),
        "weighted_entry": _entry("Weighted", _WEIGHTED) if weighted else "",
        "optimizer_entry": _entry("Optimizer", optimizer_note) if optimizer_note else "",
    }
    return fragment(BODY, values)


def _entry(term: str, meaning: str) -> str:
    return f"<dt>{term}</dt>\n<dd>{meaning}</dd>"


def _lead(collapse: Sequence[FieldCollapse]) -> str:
    """The verdict on all fields, in a few sentences."""
    levels = [field.level for field in collapse]
    mean = fmean(field.together.information_abundance for field in collapse)
    sentences = [
        f"{levels.count('collapsed')} of {len(collapse)} fields have collapsed, "
        f"{levels.count('partly collapsed')} partly; {levels.count('spread')} use most of "
        "their dimensions.",
        f"{_sizes(collapse)} the mean information abundance is {mean:.2f}.",
    ]
    if len(collapse) == 1:
        only = collapse[0]
        sentences = [
            f"{escape(only.name)} {_LEVELS[only.level]}: {only.verdict}.",
            f"Its information abundance is {mean:.2f}, {only.abundance_over_random:.2f} of that of "
            "a random matrix.",
        ]
    diversity = [field.diversity for field in collapse if field.diversity is not None]
    if diversity:
        sentences.append(f"The mean diversity between sets is {fmean(diversity):.2f}.")
    return " ".join(sentences)


def _sizes(collapse: Sequence[FieldCollapse]) -> str:
    """Sets and dimensions, where all fields have as many."""
    if len({(len(field.sets), field.together.dimensions) for field in collapse}) > 1:
        return "Over fields of different sizes"
    first = collapse[0]
    sets = "one embedding set" if len(first.sets) == 1 else f"{len(first.sets)} sets side by side"
    return f"With {sets}, {first.together.dimensions} dimensions in all,"


def _advice(collapse: Sequence[FieldCollapse]) -> list[str]:
    """A paragraph for the fields of each number of dimensions."""

    def dimensions(field: FieldCollapse) -> int:
        return field.together.dimensions

    of_size = [
        (size, list(fields))
        for size, fields in groupby(sorted(collapse, key=dimensions), dimensions)
    ]
    paragraphs = []
    for size, fields in of_size:
        found = recommend(fields)
        which = f" for fields of {size} dimensions" if len(of_size) > 1 else ""
        paragraphs.append(
            f'<p class="lead"><strong>Advice{which}: {found.advice}.</strong> '
            f"{escape(found.reason)}</p>"
        )
    return paragraphs


def _several_sets(collapse: Sequence[FieldCollapse]) -> bool:
    return any(len(field.sets) > 1 for field in collapse)


def _abundance_figure(collapse: Sequence[FieldCollapse]) -> str:
    of_sets = "Bars: all sets side by side. Dots: each set alone. "
    caption = f"{of_sets if _several_sets(collapse) else ''}Orange: a random matrix of that shape."
    return figure("Information abundance by field", caption, abundance_bars(collapse))


def _spectra_figures(collapse: Sequence[FieldCollapse]) -> str:
    chosen = _highlighted(collapse)
    several = _several_sets(collapse)
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
    if len(ranked) == 1:
        return {ranked[0].name: ""}
    names = [field.name for field in ranked]
    # Of two the median is the highest.
    chosen = {names[-1]: "highest"}
    chosen.setdefault(names[len(names) // 2], "median")
    chosen.setdefault(names[0], "lowest")
    return chosen
