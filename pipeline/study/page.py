"""A study's page: one HTML file that needs no server, no network and no script."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import tomli_w

from pipeline.page import elements
from pipeline.spec_study import StudySpec
from pipeline.study.advice import SURE, Verdict, verdicts_of
from pipeline.study.launching import Failure
from pipeline.study.plots import scaling
from pipeline.study.results import Entry, Result
from pipeline.study.tables import (
    ABSENT,
    ADVICE_HEAD,
    ADVICE_TITLE,
    CellText,
    advice_row,
    auc_rows,
    comparisons,
    grid_rows,
    head,
    label,
    measure,
    measures_of,
    published,
)

HERE = Path(__file__).parent
# Figures of each interaction: attribute, title, whether it is drawn from zero.
FIGURES = (
    ("auc", "test AUC", False),
    ("information_abundance", "information abundance", False),
    ("samples_per_second", "training samples/s", True),
    ("dense_parameters", "dense parameters", True),
)


def render(
    study: StudySpec,
    entries: Sequence[Entry],
    results: Sequence[Result],
    failures: Sequence[Failure],
    cells: int,
) -> str:
    """The page.

    Args:
        study: its spec.
        entries: every row at every factor.
        results: the cells that are finished.
        failures: those that failed.
        cells: how many there are in all.
    """
    updates = sorted({result.updates for result in results}) or ["not known yet"]
    title = escape(study.title)
    values = {
        "title": title,
        "subtitle": _subtitle(study),
        "tiles": _tiles(entries, results, cells),
        "failures": _failures(failures),
        "bases": "\n".join(_base(study, base, entries) for base in study.bases),
        "updates": " and ".join(updates),
        "spec": escape(tomli_w.dumps(study.model_dump(mode="json"))),
    }
    return elements.page(f"{title}: study", HERE / "study.html", HERE / "study.css", values)


def _subtitle(study: StudySpec) -> str:
    grid = study.grid
    parts = [
        ", ".join(grid.interactions),
        f"factors {', '.join(f'{factor}x' for factor in grid.factors)}",
        f"seeds {', '.join(map(str, grid.seeds))}",
        *([f"published: {escape(study.source)}"] if study.source else []),
    ]
    return " · ".join(f"<span>{part}</span>" for part in parts)


def _tiles(entries: Sequence[Entry], results: Sequence[Result], cells: int) -> str:
    """How much is done, and how single- and multi-embedding stand."""
    # At 1x, single- and multi-embedding are one model or, as IPNN's, of different inputs.
    found = [one.over_single for one in entries if one.over_single and one.factor > 1]
    ahead = sum(one.difference > 0 for one in found)
    sure = [one for one in found if one.p is not None and one.p < SURE]
    sure_ahead = sum(one.difference > 0 for one in sure)
    minutes = sum(result.seconds for result in results) / 60
    spent = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    return elements.tiles(
        [
            ("Cells", f"{len(results)} of {cells}", f"{spent} of training in all"),
            (
                "Multi ahead of single",
                f"{ahead} of {len(found)}",
                "pairs of the same interaction and factor, by mean test AUC over common seeds",
            ),
            (
                f"With p below {SURE}",
                f"{sure_ahead} ahead, {len(sure) - sure_ahead} behind",
                "paired t test over seeds",
            ),
        ]
    )


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    items = "\n".join(
        f"<details><summary>{escape(failure.cell.name)} failed</summary>"
        f'<pre tabindex="0">{escape(chr(10).join(failure.lines))}</pre></details>'
        for failure in failures
    )
    return f"<h3>Cells without a result: {len(failures)}</h3>\n{items}"


def _base(study: StudySpec, base: str, entries: Sequence[Entry]) -> str:
    """The section of a base: tables and figures."""
    own = [entry for entry in entries if entry.row.base == base]
    tables = [("Test AUC", _auc_table(own))]
    tables += [(title, _table(title, own, cell)) for title, cell in comparisons(own)]
    costs = [
        (title, _table(title, own, measure(style, figure), published(style, figure)))
        for title, style, figure in measures_of(own)
    ]
    if verdicts := verdicts_of(own):
        tables.append((ADVICE_TITLE, _advice_table(verdicts)))
    name = escape(base)
    return (
        f'<section aria-labelledby="base-{base}">\n<h2 id="base-{base}">{name}</h2>\n'
        f"<p class='hint'>{escape(study.bases[base])}</p>\n"
        + "\n".join(_titled(f"{base}-{place}", *one) for place, one in enumerate(tables))
        + f'\n<div class="figures">\n{_figures(base, own)}\n</div>\n'
        + "\n".join(_titled(f"{base}-cost-{place}", *one) for place, one in enumerate(costs))
        + "\n</section>"
    )


def _titled(identity: str, title: str, table: str) -> str:
    return (
        f'<h3 id="{identity}">{title}</h3>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="{identity}">\n{table}\n</div>'
    )


def _auc_table(entries: Sequence[Entry]) -> str:
    rows = [
        [escape(label(own[0])), row, *texts]
        for own, row, texts in auc_rows(entries, _small, lambda text: f"<b>{_small(text)}</b>")
    ]
    return elements.table("results", "Test AUC", head(entries), rows, text=("Embedding",))


def _table(title: str, entries: Sequence[Entry], *cells: CellText) -> str:
    rows = [
        [escape(label(own[0])), row, *map(_small, texts)]
        for own, row, texts in grid_rows(entries, *cells)
    ]
    return elements.table("results", title, head(entries), rows, text=("Embedding",))


def _advice_table(verdicts: Sequence[Verdict]) -> str:
    rows = [
        [
            _small(text) if "(p)" in title else escape(text)
            for title, text in zip(ADVICE_HEAD, advice_row(one), strict=True)
        ]
        for one in verdicts
    ]
    words = [title for title in ADVICE_HEAD if "(p)" not in title]
    return elements.table("results", ADVICE_TITLE, ADVICE_HEAD, rows, text=words)


def _small(text: str) -> str:
    """The deviation or the p behind a figure, set smaller."""
    first, space, rest = text.partition(" ")
    if text == ABSENT:
        return elements.ABSENT
    return f'{first}{space}<span class="deviation">{rest}</span>' if rest else first


def _figures(base: str, entries: Sequence[Entry]) -> str:
    figures = []
    for interaction, group in groupby(entries, lambda entry: entry.row.interaction):
        own = list(group)
        if not any(entry.results for entry in own):
            continue
        for name, title, from_zero in FIGURES:
            svg = scaling(own, name, title, f"{base}-{interaction}-{name}", from_zero)
            figures.append(elements.figure(f"{interaction}: {title}", _caption(name), svg))
    return "\n".join(figures)


def _caption(name: str) -> str:
    if name == "auc":
        return "Mean over seeds, bars of one standard deviation; dashed where published."
    return "Mean over seeds, bars of one standard deviation."
