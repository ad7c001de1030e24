"""A study's results as Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from itertools import groupby
from typing import Any

from pipeline.spec_study import StudySpec
from pipeline.study.results import Entry, Result
from pipeline.study.significance import Comparison

ABSENT = "-"
CellText = Callable[[Entry], str]
# Figures of a row's runs that stand below the AUCs: title, how a value is written, attribute.
MEASURES = (
    ("Information abundance", "{:.2f}", "information_abundance"),
    ("Diversity between sets, or parts of a single set", "{:.2f}", "diversity"),
    (
        "Correlation of sub-embeddings with the fields they meet",
        "{:.2f}",
        "sub_embedding_correlation",
    ),
    ("Logloss", "{:.5f}", "logloss"),
    ("Embedding parameters", "{:,.0f}", "embedding_parameters"),
    ("Dense parameters", "{:,.0f}", "dense_parameters"),
    ("Training samples/s", "{:,.0f}", "samples_per_second"),
    ("Seconds of training", "{:,.0f}", "seconds"),
)


def markdown(study: StudySpec, entries: Sequence[Entry], command: str) -> str:
    """The tables of every base, with what makes them."""
    parts = [f"# {study.title}", f"`{command}`", _seeds(study)]
    for base in study.bases:
        own = [entry for entry in entries if entry.row.base == base]
        parts += [f"## {base}", "Test AUC", auc_table(own)]
        for title, cell in comparisons(own):
            parts += [title, _grid(own, cell)]
        for title, style, figure in MEASURES:
            parts += [title, _grid(own, measure(style, figure), published(style, figure))]
    return "\n\n".join(parts) + "\n"


def _seeds(study: StudySpec) -> str:
    source = f" Published: {study.source}." if study.published else ""
    return (
        f"Mean and deviation over the seeds {', '.join(map(str, study.grid.seeds))}; the best of "
        f"each interaction in bold. {TEST_NOTE}{source}"
    )


TEST_NOTE = (
    "p: two-sided paired t test over seeds, not corrected for the number of comparisons; three "
    "seeds make it weak (see pipeline/study/significance.py)."
)


def auc_table(entries: Sequence[Entry]) -> str:
    """A Markdown table of test AUCs, a published row below each of ours that has one."""
    best = best_of(entries)
    lines = _head(entries)
    for row, own in _by_row(entries):
        cells = [f"**{auc_text(one)}**" if id(one) in best else auc_text(one) for one in own]
        lines.append(_line([label(own[0]), row, *cells]))
        if any(text != ABSENT for text in map(published_auc, own)):
            lines.append(_line([label(own[0]), f"{row}, published", *map(published_auc, own)]))
    return "\n".join(lines)


def comparisons(entries: Sequence[Entry]) -> Iterator[tuple[str, CellText]]:
    """The comparisons that some entry has: title, and the text of an entry."""
    smallest = min(entry.factor for entry in entries)
    for title, name in (
        (f"Test AUC over single-embedding at {smallest}x (p)", "over_base"),
        ("Multi-embedding over single-embedding of the same factor (p)", "over_single"),
        ("Variant over the same without it (p)", "over_plain"),
    ):
        if any(getattr(entry, name) for entry in entries):
            yield title, _comparison(name)


def _comparison(name: str) -> CellText:
    return lambda entry: comparison_text(getattr(entry, name))


def measure(style: str, figure: str) -> CellText:
    """What writes an entry's mean of a figure of ``Result``."""

    def text(entry: Entry) -> str:
        mean = entry.mean(figure)
        return ABSENT if mean is None else style.format(mean)

    return text


def auc_text(entry: Entry) -> str:
    """``0.98254 ± 0.00012``, the deviation over seeds."""
    return _with_deviation(entry.mean("auc"), entry.deviation("auc"))


def published_auc(entry: Entry) -> str:
    """The published AUC, in the same form."""
    given = entry.published
    return _with_deviation(given.auc, given.deviation) if given else ABSENT


def published(style: str, figure: str) -> CellText:
    """What writes an entry's published figure, of those that ``Published`` has beside AUC."""

    def text(entry: Entry) -> str:
        value = getattr(entry.published, figure, None)
        return ABSENT if value is None else style.format(value)

    return text


def comparison_text(comparison: Comparison | None) -> str:
    """``+0.00123 (0.041)``: the mean difference and p."""
    if comparison is None:
        return ABSENT
    p = "" if comparison.p is None else f" ({comparison.p:.3f})"
    return f"{comparison.difference:+.5f}{p}"


def label(entry: Entry) -> str:
    """The row's interaction, and its variant."""
    row = entry.row
    return f"{row.interaction}, {row.variant}" if row.variant else row.interaction


def best_of(entries: Sequence[Entry]) -> set[int]:
    """The identities of the entries of the best mean AUC, one for each base and interaction."""
    best: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = (entry.row.base, entry.row.interaction)
        mean = entry.mean("auc")
        if mean is not None and (key not in best or mean > (best[key].mean("auc") or 0)):
            best[key] = entry
    return {id(entry) for entry in best.values()}


def cells_csv(results: Sequence[Result]) -> str:
    """A line a cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(flat(results[0])) if results else ["cell"])
    writer.writeheader()
    writer.writerows(map(flat, results))
    return buffer.getvalue()


def summary_csv(entries: Sequence[Entry]) -> str:
    """A line a row and factor: what the tables hold."""
    buffer = io.StringIO()
    lines = [_summary(entry) for entry in entries]
    writer = csv.DictWriter(buffer, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def as_json(study: StudySpec, entries: Sequence[Entry], results: Sequence[Result]) -> str:
    """The study's spec, its summary and its cells."""
    values = {
        "study": study.model_dump(mode="json"),
        "summary": [_summary(entry) for entry in entries],
        "cells": [flat(result) for result in results],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def flat(result: Result) -> dict[str, Any]:
    """A cell's place in the grid and its figures, by column."""
    place = {**asdict(result.cell.row), "factor": result.cell.factor, "seed": result.cell.seed}
    names = [field.name for field in fields(result) if field.name != "cell"]
    return {"cell": result.cell.name, **place, **{name: getattr(result, name) for name in names}}


def _summary(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = {**asdict(entry.row), "factor": entry.factor}
    values |= {"seeds": len(entry.results), "auc": entry.mean("auc")}
    values["auc_deviation"] = entry.deviation("auc")
    for name in ("over_base", "over_single", "over_plain"):
        found = getattr(entry, name)
        values |= {name: found and found.difference, f"{name}_p": found and found.p}
    for figure in ("auc", "information_abundance"):
        values[f"published_{figure}"] = getattr(entry.published, figure, None)
    return values | {figure: entry.mean(figure) for _, _, figure in MEASURES}


def _grid(entries: Sequence[Entry], *cells: CellText) -> str:
    """A Markdown table, rows by factors."""
    lines = [_line([label(own[0]), row, *texts]) for own, row, texts in grid_rows(entries, *cells)]
    return "\n".join([*_head(entries), *lines])


def grid_rows(
    entries: Sequence[Entry], own_cell: CellText, published_cell: CellText | None = None
) -> Iterator[tuple[list[Entry], str, list[str]]]:
    """The rows of a table by factors, each above its published one; none that has nothing."""
    for row, own in _by_row(entries):
        for cell, title in ((own_cell, row), (published_cell, f"{row}, published")):
            texts = [cell(entry) for entry in own] if cell else []
            if any(text != ABSENT for text in texts):
                yield own, title, texts


def _by_row(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    for row, own in groupby(entries, lambda entry: entry.row):
        yield row.embedding, list(own)


def _head(entries: Sequence[Entry]) -> list[str]:
    factors = sorted({entry.factor for entry in entries})
    return [
        _line(["Interaction", "Embedding", *(f"{factor}x" for factor in factors)]),
        _line(["---", "---", *("---:" for _ in factors)]),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_deviation(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return ABSENT
    return f"{mean:.5f}" if deviation is None else f"{mean:.5f} ± {deviation:.5f}"
