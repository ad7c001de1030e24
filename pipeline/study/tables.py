"""A study's results as Markdown tables, whose texts its page shares."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from pipeline.spec_study import StudySpec
from pipeline.study.advice import Verdict, verdicts_of
from pipeline.study.results import Entry, Place
from pipeline.study.significance import Comparison

ABSENT = "-"
CellText = Callable[[Entry], str]
# Figures of a row's runs that stand below the AUCs: title, how a value is written, attribute.
MEASURES = (
    ("Test AUC of the true probabilities", "{:.5f}", "oracle_auc"),
    ("Test AUC as a share of the way from 0.5 to theirs", "{:.3f}", "share_of_oracle"),
    ("Planted pairs found, all sets together", "{:.3f}", "planted_auc"),
    ("Planted patterns told from all other pairs, in the best set", "{:.3f}", "best_set_auc"),
    ("Specialisation of sets to patterns", "{:.2f}", "specialisation"),
    ("Information abundance", "{:.2f}", "information_abundance"),
    ("Diversity between sets, or parts of a single set", "{:.2f}", "diversity"),
    (
        "Correlation of sub-embeddings with the fields they meet",
        "{:.2f}",
        "sub_embedding_correlation",
    ),
    ("Logloss", "{:.5f}", "logloss"),
    ("Lowest validation logloss of all epochs", "{:.5f}", "lowest_valid_logloss"),
    ("Validation AUC in that epoch", "{:.5f}", "valid_auc_there"),
    ("Embedding parameters", "{:,.0f}", "embedding_parameters"),
    ("Dense parameters", "{:,.0f}", "dense_parameters"),
    ("Training samples/s", "{:,.0f}", "samples_per_second"),
    ("Seconds of training", "{:,.0f}", "seconds"),
)


def markdown(
    study: StudySpec, entries: Sequence[Entry], failed: Sequence[str], command: str
) -> str:
    """The tables of every base, with what makes them, and the names of the cells that failed."""
    parts = [f"# {study.title}", f"`{command}`", _seeds(study)]
    if failed:
        parts.append(f"Cells without a result: {', '.join(failed)}.")
    for base in study.bases:
        own = [entry for entry in entries if entry.row.base == base]
        parts += [f"## {base}", "Test AUC", auc_table(own)]
        for title, cell in comparisons(own):
            parts += [title, _grid(own, cell)]
        if verdicts := verdicts_of(own):
            parts += [ADVICE_TITLE, _advice_table(verdicts)]
        for title, style, figure in measures_of(own):
            parts += [title, _grid(own, measure(style, figure), published(style, figure))]
    return "\n\n".join(parts) + "\n"


def measures_of(entries: Sequence[Entry]) -> Iterator[tuple[str, str, str]]:
    """Those of ``MEASURES`` that some entry has, measured or published."""
    for title, style, figure in MEASURES:
        texts = (
            text(entry)
            for entry in entries
            for text in (measure(style, figure), published(style, figure))
        )
        if any(text != ABSENT for text in texts):
            yield title, style, figure


ADVICE_TITLE = "What the base run's diagnostics advise, and what larger models made of it"
ADVICE_HEAD = (
    "Interaction",
    "Advice",
    "Seeds",
    "At",
    "Single over base (p)",
    "Multi over base (p)",
    "Multi over single (p)",
    "The advice was",
)


def advice_row(verdict: Verdict) -> list[str]:
    """The texts of a verdict, a cell for each of ``ADVICE_HEAD``."""
    compared = (verdict.wider, verdict.more_sets, verdict.sets_over_wider)
    return [
        label(verdict.base),
        verdict.advice,
        f"{verdict.agreeing} of {len(verdict.base.results)}",
        f"{verdict.factor}x",
        *(comparison_text(one, verdict.base.seeds) for one in compared),
        verdict.outcome,
    ]


def _advice_table(verdicts: Sequence[Verdict]) -> str:
    marks = ["---:" if "(p)" in title else "---" for title in ADVICE_HEAD]
    return "\n".join([_line(ADVICE_HEAD), _line(marks), *map(_line, map(advice_row, verdicts))])


def _seeds(study: StudySpec) -> str:
    source = f" Published: {study.source}." if study.published else ""
    return (
        f"Mean and deviation over the seeds {', '.join(map(str, study.grid.seeds))}, or as many as "
        f"are said; the best of each interaction in bold, of those with the most seeds. "
        f"{TEST_NOTE}{source}"
    )


TEST_NOTE = (
    "p: two-sided paired t test over seeds, not corrected for the number of comparisons; three "
    "seeds make it weak (see pipeline/study/significance.py)."
)


def auc_table(entries: Sequence[Entry]) -> str:
    """A Markdown table of test AUCs, a published row below each of ours that has one."""
    lines = _head(entries)
    for own, title, texts in auc_rows(entries, lambda text: text, lambda text: f"**{text}**"):
        lines.append(_line([label(own[0]), title, *texts]))
    return "\n".join(lines)


def auc_rows(
    entries: Sequence[Entry], plain: Callable[[str], str], best: Callable[[str], str]
) -> Iterator[tuple[list[Entry], str, list[str]]]:
    """The rows of the table of AUCs; ``plain`` and ``best`` write a text, as what is best."""
    of_best = best_of(entries)
    for row, own in _by_row(entries):
        styles = [best if (one.row, one.factor) in of_best else plain for one in own]
        yield own, row, [style(auc_text(one)) for style, one in zip(styles, own, strict=True)]
        texts = [published_auc(one) for one in own]
        if any(text != ABSENT for text in texts):
            yield own, f"{row}, published", list(map(plain, texts))


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
    return lambda entry: comparison_text(getattr(entry, name), entry.seeds)


def measure(style: str, figure: str) -> CellText:
    """What writes an entry's mean of a figure of ``Result``."""

    def text(entry: Entry) -> str:
        mean = entry.mean(figure)
        return ABSENT if mean is None else style.format(mean)

    return text


def auc_text(entry: Entry) -> str:
    """``0.98254 ± 0.00012``, the deviation over seeds, and how many where some are missing."""
    text, found = _with_deviation(entry.mean("auc"), entry.deviation("auc")), len(entry.results)
    return f"{text} ({found} of {entry.seeds} seeds)" if 0 < found < entry.seeds else text


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


def comparison_text(comparison: Comparison | None, seeds: int) -> str:
    """``+0.00123 (0.041)``: the mean difference and p, and how many of the study's seeds have both.

    Args:
        comparison: None where there is none.
        seeds: of the study.
    """
    if comparison is None:
        return ABSENT
    p = "" if comparison.p is None else f" ({comparison.p:.3f})"
    common = comparison.seeds
    of_seeds = f" ({common} of {seeds} seeds)" if common < seeds else ""
    return f"{comparison.difference:+.5f}{p}{of_seeds}"


def label(entry: Entry) -> str:
    """The row's interaction, and its variant."""
    row = entry.row
    return f"{row.interaction}, {row.variant}" if row.variant else row.interaction


def best_of(entries: Sequence[Entry]) -> set[Place]:
    """The places of the best mean AUC, one for each dataset and interaction.

    Means over fewer seeds than others have do not compare with them, so they are left out.
    """
    rivals: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        if entry.results:
            key = (entry.row.base, entry.dataset, entry.row.interaction)
            rivals.setdefault(key, []).append(entry)
    best = [max(own, key=_seeds_and_auc) for own in rivals.values()]
    return {(entry.row, entry.factor) for entry in best}


def _seeds_and_auc(entry: Entry) -> tuple[int, float]:
    return len(entry.results), entry.mean("auc") or 0.0


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


def head(entries: Sequence[Entry]) -> list[str]:
    """The titles of the columns of a table by factors."""
    factors = sorted({entry.factor for entry in entries})
    return ["Interaction", "Embedding", *(f"{factor}x" for factor in factors)]


def _head(entries: Sequence[Entry]) -> list[str]:
    titles = head(entries)
    return [_line(titles), _line(["---", "---", *("---:" for _ in titles[2:])])]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_deviation(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return ABSENT
    return f"{mean:.5f}" if deviation is None else f"{mean:.5f} ± {deviation:.5f}"
