"""The overview as an HTML page that needs no server, no network and no script."""

from html import escape
from pathlib import Path

from pipeline.data.overview.association import PRIOR_ROWS
from pipeline.data.overview.facts import Finding, Overview
from pipeline.data.overview.page_tables import (
    cards,
    dense_table,
    field_table,
    skipped_table,
    split_table,
)
from pipeline.data.overview.plots import label_rate_bars
from pipeline.page.elements import figure, page, tiles

HERE = Path(__file__).parent
_CHECKED = (
    "Looked for: fields that give the label away, constant fields, fields out of vocabulary, new "
    "values in valid and test, label rates that differ by split, empty splits."
)


def render(overview: Overview) -> str:
    """The page."""
    warned = {finding.name for finding in overview.warnings if finding.about == "field"}
    tables = [
        field_table(overview, warned) if overview.fields else "",
        dense_table(overview.dense, warned) if overview.dense else "",
    ]
    values = {
        "name": _name(overview),
        "subtitle": _subtitle(overview),
        "verdict": _verdict(len(overview.warnings)),
        "warnings": _warnings(overview.warnings),
        "tiles": _tiles(overview),
        "label_rates": figure(
            "Label rate by split",
            f"The share of rows with {escape(overview.label)} = 1. Dashed: train's.",
            label_rate_bars(overview.splits),
        ),
        "split_table": split_table(overview.splits),
        "skipped": skipped_table(overview),
        "sampling": _sampling(overview),
        "field_tables": "\n".join(_scrolling(table) for table in tables if table),
        "prior": PRIOR_ROWS,
        "scored_on": overview.scored_on,
        "cards": cards(overview),
    }
    body, style = HERE / "overview.html", HERE / "overview.css"
    return page(f"{_name(overview)}: dataset overview", body, style, values)


def _name(overview: Overview) -> str:
    first, others = overview.sources[0], len(overview.sources) - 1
    return escape(f"{first} and {others:,} more" if others else first)


def _subtitle(overview: Overview) -> str:
    rows = sum(split.rows for split in overview.splits.values())
    parts = [
        f"{rows:,} rows",
        _number(len(overview.all_fields), "field"),
        f"{_ids(overview):,} ids",
        f"counted on {overview.counted_on} rows",
    ]
    return " · ".join(f"<span>{part}</span>" for part in parts)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _ids(overview: Overview) -> int:
    return sum(field.ids for field in overview.fields)


def _verdict(warnings: int) -> str:
    if not warnings:
        return "No warnings"
    return _number(warnings, "warning")


def _warnings(warnings: tuple[Finding, ...]) -> str:
    if not warnings:
        return f'<p class="lead">{_CHECKED}</p>'
    items = "\n".join(f"<li>{_subject(one)}: {escape(one.text)}.</li>" for one in warnings)
    return f'<ul class="warnings">\n{items}\n</ul>'


def _subject(finding: Finding) -> str:
    name = escape(finding.name)
    if finding.about == "field":
        return f'Field <a href="#field-{name}">{name}</a>'
    return f"Split <b>{name}</b>"


def _tiles(overview: Overview) -> str:
    written = sum(split.rows for split in overview.splits.values())
    skipped = sum(overview.rows_skipped.values())
    rate = sum(split.positives for split in overview.splits.values()) / written
    return tiles(
        [
            ("Rows read", f"{overview.rows_read:,}", "of the sources"),
            ("Written", f"{written:,}", "in train, valid and test"),
            ("Skipped", f"{skipped:,}", "rows that cannot be read"),
            ("Label rate", f"{100 * rate:.2f}&nbsp;%", "of the rows written"),
            ("Ids", f"{_ids(overview):,}", "rows of the embedding tables"),
        ]
    )


def _sampling(overview: Overview) -> str:
    """Which figures are exact, and what the others come from."""
    counted = f"Counts and shares are those of {overview.counted_on} rows."
    samples = [
        f"{split.sampled_rows:,} of {name}"
        for name, split in overview.splits.items()
        if split.sampled_rows < split.rows
    ]
    if not samples:
        return f"{counted} Shares in valid and test, AUC and label rates are of every row there."
    return (
        f"{counted} Shares in valid and test, AUC and label rates of values come from rows spread "
        f"evenly over large splits: {', '.join(samples)}."
    )


def _scrolling(table: str) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="All fields">\n{table}\n</div>'
    )
