"""The page's tables, and the card of a field's most frequent values."""

from collections.abc import Mapping, Sequence
from html import escape

from pipeline.data.overview.facts import DenseFacts, FieldFacts, FrequentValue, Overview, SplitFacts
from pipeline.data.overview.plots import coverage_sparkline
from pipeline.data.overview.wording import shown, shown_share
from pipeline.page.elements import ABSENT, table

# With more fields than these the cards are closed, so that the page can be leafed through.
_FEW_FIELDS = 12
_LONGEST_TITLE = 200


def split_table(splits: Mapping[str, SplitFacts]) -> str:
    """Rows and label rate by split."""
    total = sum(split.rows for split in splits.values())
    rows = [
        [
            name,
            f"{split.rows:,}",
            _share(split.rows / total),
            f"{split.positives:,}",
            ABSENT if split.label_rate is None else f"{100 * split.label_rate:.2f}&nbsp;%",
        ]
        for name, split in splits.items()
    ]
    head = ["Split", "Rows", "Share", "Label 1", "Label rate"]
    return table("splits", "Rows and label rate by split", head, rows)


def skipped_table(overview: Overview) -> str:
    """Why rows were skipped; nothing when none was."""
    if not overview.rows_skipped:
        return ""
    rows = [
        [escape(reason), f"{count:,}", _share(count / overview.rows_read)]
        for reason, count in overview.rows_skipped.items()
    ]
    return table("skipped", "Rows skipped, by reason", ["Skipped for", "Rows", "Of all"], rows)


def field_table(overview: Overview, warned: set[str]) -> str:
    """A row a field that ends as ids; those of ``warned`` stand out."""
    others = [name for name in overview.splits if name != "train"]
    head = [
        "Field",
        "Kind and encoding",
        "Values seen",
        "Ids",
        "Missing",
        "Out of vocabulary",
        *(f"&hellip; in {name}" for name in others),
        "AUC alone",
        "Coverage",
    ]
    rows = [
        [
            _marked(field.name, field.name in warned),
            _kind(field.kind, field.encoding),
            ABSENT if field.distinct is None else f"{field.distinct:,}",
            f"{field.ids:,}",
            _share(field.missing),
            _share(field.out_of_vocabulary),
            *(_unknown_in(field, name) for name in others),
            _auc(field.auc),
            coverage_sparkline(field),
        ]
        for field in overview.fields
    ]
    return table("fields", "Fields", head, rows, text=["Kind and encoding"])


def _unknown_in(field: FieldFacts, split: str) -> str:
    shares = field.by_split.get(split)
    return _share(shares.out_of_vocabulary) if shares else ABSENT


def dense_table(fields: Sequence[DenseFacts], warned: set[str]) -> str:
    """A row a field that stays a number."""
    rows = [
        [
            _marked(field.name, field.name in warned),
            _kind(field.kind, field.encoding),
            f"{field.mean:.6g}",
            f"{field.deviation:.6g}",
            _share(field.missing),
            *(f"{x:g}" for x in (field.smallest, field.median, field.largest)),
            _auc(field.auc),
        ]
        for field in fields
    ]
    head = ["Field", "Kind and encoding", "Mean", "Deviation", "Missing"]
    head += ["Smallest", "Median", "Largest", "AUC alone"]
    return table("fields dense", "Dense fields", head, rows, text=["Kind and encoding"])


def _marked(name: str, warned: bool) -> str:
    return f'<span class="warned">{name}</span>' if warned else name


def _kind(kind: str, encoding: str) -> str:
    return f"{kind.replace('_', '-')}, {escape(encoding)}"


def cards(overview: Overview) -> str:
    """A card a field, with its most frequent values."""
    opened = " open" if len(overview.fields) <= _FEW_FIELDS else ""
    return "\n".join(_card(field, opened) for field in overview.fields)


def _card(field: FieldFacts, opened: str) -> str:
    counts = [value.count for value in field.frequent]
    several = f"{len(counts)} values have" if len(counts) > 1 else "one value has"
    covered = _share(sum(counts) / field.counted if field.counted else None)
    rows = [
        [
            _value(value),
            f"{value.count:,}",
            _share(value.count / field.counted),
            ABSENT if value.label_rate is None else f"{100 * value.label_rate:.1f}&nbsp;%",
        ]
        for value in field.frequent
    ]
    values = table(
        "values", f"Values of {field.name}", ["Value", "Count", "Share", "Label rate"], rows
    )
    return (
        f'<details id="field-{field.name}"{opened}>\n<summary><b>{field.name}</b> '
        f"<span>{several} {covered}</span></summary>\n{values}\n</details>"
    )


def _value(value: FrequentValue) -> str:
    if value.value is None:
        return "<em>out of vocabulary</em>" if value.id == 0 else f"<em>row {value.id:,}</em>"
    if value.value == "":
        return "<em>missing</em>"
    text, whole = shown(value.value), shown(value.value, _LONGEST_TITLE)
    return escape(text) if text == whole else f'<span title="{escape(whole)}">{escape(text)}</span>'


def _auc(auc: float | None) -> str:
    return ABSENT if auc is None else f"{auc:.3f}"


def _share(share: float | None) -> str:
    return ABSENT if share is None else escape(shown_share(share)).replace(" ", "&nbsp;")
