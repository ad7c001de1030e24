"""The elements of a page, as HTML. Texts come escaped, so that a cell may hold an element."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

ABSENT = "&ndash;"
_HERE = Path(__file__).parent


def page(title: str, body: Path, style: Path, values: Mapping[str, object]) -> str:
    """A whole page that needs no server, no network and no script.

    Args:
        title: of the browser's tab.
        body: an HTML file with a ``$name`` for each of ``values``.
        style: the style sheet that follows that of all pages.
        values: what to fill in.
    """
    styles = [_HERE / "page.css", style]
    filled = fragment(body, values)
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=title,
        style="".join(style.read_text(encoding="utf-8") for style in styles),
        body=filled,
    )


def fragment(body: Path, values: Mapping[str, object]) -> str:
    """A part of a page: an HTML file with each ``$name`` filled in."""
    filled = Template(body.read_text(encoding="utf-8")).substitute(values)
    return filled.removesuffix("\n")


def tiles(entries: Iterable[tuple[str, str, str]]) -> str:
    """Headline figures: title, value, and what it means."""
    items = "\n".join(
        f'<div><dt>{title}</dt><dd class="value">{value}</dd><dd class="note">{note}</dd></div>'
        for title, value, note in entries
    )
    return f'<dl class="tiles">\n{items}\n</dl>'


def fact_list(entries: Iterable[tuple[str, str]]) -> str:
    """Facts side by side: title and value."""
    items = "\n".join(f"<div><dt>{title}</dt><dd>{value}</dd></div>" for title, value in entries)
    return f'<dl class="facts">\n{items}\n</dl>'


def table(
    kind: str,
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    text: Collection[str] = (),
) -> str:
    """A table whose first column heads its rows.

    Args:
        kind: its class.
        caption: read out in its place.
        head: the columns' titles.
        rows: a cell for each of ``head``.
        text: the titles of columns that hold text; others hold figures, set to the right.
    """
    marks = [' class="text"' if title in text else "" for title in head]
    heads = "".join(
        f'<th scope="col"{mark}>{title}</th>' for title, mark in zip(head, marks, strict=True)
    )
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(rest, marks[1:], strict=True))
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<table class="{kind}" aria-label="{caption}">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def figure(title: str, caption: str, svg: str) -> str:
    """An SVG under its title and what it shows."""
    head = f"<figcaption><b>{title}</b> <span>{caption}</span></figcaption>"
    return f"<figure>{head}\n{svg}</figure>"


def percent(share: float) -> str:
    """A share in per cent, with a space that does not break.

    >>> percent(0.1234)
    '12.3&nbsp;%'
    """
    return f"{100 * share:.1f}&nbsp;%"


def table_section(identity: str, title: str, lead: str, label: str, table: str, hint: str) -> str:
    """A section of a page: its heading, what there is to see, a table that scrolls, how to read it.

    Args:
        identity: the heading's id.
        title: the heading.
        lead: what there is to see, ready HTML.
        label: what a screen reader calls the table's region.
        table: ready HTML.
        hint: how to read it, ready HTML.
    """
    return "\n".join(
        [
            f'<section aria-labelledby="{identity}">',
            f'<h2 id="{identity}">{title}</h2>',
            f'<p class="lead">{lead}</p>',
            f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">',
            table,
            "</div>",
            f'<p class="hint">{hint}</p>',
            "</section>",
        ]
    )
