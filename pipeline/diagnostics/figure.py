"""The look of the report's figures, and how a figure becomes an inline SVG.

A figure is 360 units wide with 9.5-unit text, so it can be read where a phone shows it at its own
size. Text stays text: it takes the page's font, and can be searched and copied.
"""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.diagnostics.palette import INK, MUTED, RULE

WIDTH = 360

DASHES = (0, (4, 3))

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    # Names of fields may hold dollar signs.
    "text.parse_math": False,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


@contextmanager
def styled_figure(height: float) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure of the report's width and ``height`` units, in the report's style."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        yield figure, figure.subplots()


def whole_numbers(axes: Axes) -> None:
    """Labels the horizontal axis at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def inline_svg(figure: Figure, identity: str, label: str) -> str:
    """The figure as an ``<svg>`` element for an HTML page.

    What a page does not need or would not bear is taken out: the XML prologue, metadata, name
    spaces, style rules that would reach beyond the figure, fonts, and identities that nothing
    refers to.

    Args:
        figure: what to draw.
        identity: differs between the figures of a page, so that their identities do.
        label: read out in place of the figure.
    """
    buffer = StringIO()
    with rc_context({"svg.hashsalt": identity}):
        figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<(metadata|style)\b.*?</\1>", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| version="1.1"| transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r'(style="[^"]*?)font-family: [^;"]*; ', r"\1", text)
    used = set(re.findall(r"(?<=#)[\w-]+(?=[)\"])", text))
    text = re.sub(r' id="([^"]+)"', lambda m: m.group() if m.group(1) in used else "", text)
    text = re.sub(r'^<svg width="[^"]*" height="[^"]*"', "<svg", text)
    opening = f'<svg class="figure" role="img" aria-label="{html.escape(label)}"'
    return text.replace("<svg", opening, 1)
