"""A study's figures: a measure against the factor, single- beside multi-embedding."""

from collections.abc import Sequence
from itertools import cycle, groupby

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, NullLocator

from pipeline.diagnostics.figure import DASHES, inline_svg, styled_figure
from pipeline.diagnostics.palette import BLUE, INK, MUTED, ORANGE, TEAL
from pipeline.study.results import Entry

HEIGHT = 230
COLOURS = {"single": ORANGE, "multi": BLUE}
VARIANT_COLOURS = (TEAL, MUTED, "#7c3aed", "#a16207", INK)


def scaling(
    entries: Sequence[Entry], figure_name: str, title: str, identity: str, from_zero: bool = False
) -> str:
    """A measure by factor, a line a row, with the deviation over seeds.

    Args:
        entries: of one base and interaction.
        figure_name: an attribute of ``Result``; published figures of it are drawn too.
        title: of the vertical axis.
        identity: differs between the figures of a page.
        from_zero: whether the vertical axis begins there.
    """
    factors = sorted({entry.factor for entry in entries})
    variants = cycle(VARIANT_COLOURS)
    with styled_figure(HEIGHT) as (figure, axes):
        for row, group in groupby(entries, lambda entry: entry.row):
            own = list(group)
            colour = next(variants) if row.variant else COLOURS[row.embedding]
            name = f"{row.variant}, {row.embedding}" if row.variant else row.embedding
            _measured(axes, own, figure_name, name, colour)
            _published(axes, own, figure_name, f"{name}, published", colour)
        axes.set_xscale("log")
        axes.set_xticks(factors, [f"{factor}x" for factor in factors])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.08, y=0.15)
        axes.ticklabel_format(axis="y", useOffset=False)
        if from_zero:
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set(xlabel="size of the embeddings over the base", ylabel=title)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
        return inline_svg(figure, identity, _label(entries, figure_name, title))


def _measured(axes: Axes, own: Sequence[Entry], figure: str, name: str, colour: str) -> None:
    shown = [(entry.factor, entry.mean(figure), entry.deviation(figure)) for entry in own]
    points = [(factor, mean, deviation or 0.0) for factor, mean, deviation in shown if mean]
    if points:
        x, means, deviations = zip(*points, strict=True)
        axes.errorbar(
            x, means, yerr=deviations, fmt="o-", color=colour, ms=4, capsize=3, label=name
        )


def _published(axes: Axes, own: Sequence[Entry], figure: str, name: str, colour: str) -> None:
    shown = [(entry.factor, getattr(entry.published, figure, None)) for entry in own]
    points = [(factor, value) for factor, value in shown if value]
    if points:
        x, means = zip(*points, strict=True)
        axes.plot(
            x, means, "o", linestyle=DASHES, color=colour, ms=4, mfc="white", lw=1, label=name
        )


def _label(entries: Sequence[Entry], figure: str, title: str) -> str:
    values = [(entry, entry.mean(figure)) for entry in entries]
    texts = [f"{entry.row.name} at {entry.factor}x {value:.5g}" for entry, value in values if value]
    return f"{title} by factor: {', '.join(texts)}."
