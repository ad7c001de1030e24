"""The overview at a terminal: a row a field, and a line a warning."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.console import print_whole
from pipeline.data.overview.facts import DenseFacts, FieldFacts, FrequentValue, Overview
from pipeline.data.overview.wording import shown, shown_share

_ABSENT = "-"
_LONGEST_VALUE = 20


def print_fields(console: Console, overview: Overview) -> None:
    """Prints the table of fields."""
    print_whole(console, fields_at_a_glance(overview))


def print_warnings(console: Console, overview: Overview) -> None:
    """Prints a line for each warning."""
    for finding in overview.warnings:
        console.print(Text("warning: ", "bold yellow") + Text(finding.line, ""), soft_wrap=True)


def fields_at_a_glance(overview: Overview) -> Table:
    """A row a field."""
    others = [name for name in overview.splits if name != "train"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("Field", no_wrap=True)
    table.add_column("Kind and encoding", no_wrap=True)
    figures = ["Seen", "Ids", "Missing", "OOV", *(f"in {name}" for name in others), "AUC alone"]
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Most frequent", no_wrap=True)
    for field in overview.fields:
        table.add_row(*map(Text, _cells(field, others)))
    for dense in overview.dense:
        table.add_row(*map(Text, _dense_cells(dense, len(others))))
    return table


def _cells(field: FieldFacts, others: list[str]) -> list[str]:
    unknown = [
        shown_share(field.by_split[name].out_of_vocabulary) if name in field.by_split else _ABSENT
        for name in others
    ]
    return [
        field.name,
        f"{field.kind}, {field.encoding}",
        _ABSENT if field.distinct is None else f"{field.distinct:,}",
        f"{field.ids:,}",
        shown_share(field.missing),
        shown_share(field.out_of_vocabulary),
        *unknown,
        _auc(field.auc),
        _most_frequent(field),
    ]


def _most_frequent(field: FieldFacts) -> str:
    if not field.frequent:
        return _ABSENT
    first = field.frequent[0]
    return f"{shown_share(first.count / field.counted)} {_named(first)}"


def _named(frequent: FrequentValue) -> str:
    if frequent.value is None:
        return f"(row {frequent.id:,})" if frequent.id else "(out of vocabulary)"
    return shown(frequent.value, _LONGEST_VALUE) or "(missing)"


def _dense_cells(field: DenseFacts, others: int) -> list[str]:
    nothing = [_ABSENT] * (1 + others)
    return [
        field.name,
        f"{field.kind}, {field.encoding}",
        _ABSENT,
        _ABSENT,
        shown_share(field.missing),
        *nothing,
        _auc(field.auc),
        f"mean {field.mean:.4g}, deviation {field.deviation:.4g}",
    ]


def _auc(auc: float | None) -> str:
    return _ABSENT if auc is None else f"{auc:.3f}"
