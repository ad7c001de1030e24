"""The figures of field pairs: sub-embeddings, their sums by field, and every set's pattern."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from pipeline.diagnostics.figure import STYLE, WIDTH, inline_svg, styled_figure
from pipeline.diagnostics.palette import BLUE, INK, ORANGE, SHADES
from pipeline.diagnostics.short_name import short_name
from pipeline.diagnostics.sub_embeddings import SubEmbeddings

_SHADES = LinearSegmentedColormap.from_list("blues", SHADES)

# Above a set's pattern.
TITLE_HEIGHT = 18

SUMS_HEIGHT = 250

# More fields than this have no room for names.
_NAMED_FIELDS = 60


def sub_embedding_map(pairs: SubEmbeddings, identity: str) -> str:
    """Information abundance by pair, fields by falling abundance (paper, Figure 3).

    Args:
        pairs: of one group.
        identity: differs between the figures of a page.
    """
    fields = len(pairs.fields)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, (WIDTH + 24) / 72), layout="constrained")
        axes = figure.subplots()
        image = _squares(axes, pairs.abundance, float(pairs.abundance.max()))
        _name_fields(axes, pairs.fields)
        axes.set(xlabel="meets field j", ylabel="field i")
        bar = figure.colorbar(image, ax=axes, location="top", shrink=0.6, aspect=30, pad=0.02)
        bar.set_label("information abundance of the sub-embedding", fontsize=8.5)
        bar.outline.set_visible(False)
        low, high = pairs.abundance.min(), pairs.abundance.max()
        label = (
            f"Information abundance of the sub-embeddings of {fields} by {fields} pairs of "
            f"fields, from {low:.2f} to {high:.2f}; fields by falling abundance of their "
            "embeddings."
        )
        return inline_svg(figure, identity, label)


def sub_embedding_sums(pairs: SubEmbeddings, identity: str) -> str:
    """Sums of the map's rows and columns by the field's own abundance (paper, Figures 3b and 3c).

    Args:
        pairs: of one group.
        identity: differs between the figures of a page.
    """
    series = (
        ("its own sub-embeddings", pairs.row_sums, BLUE, "o"),
        ("those that meet it", pairs.column_sums, ORANGE, "D"),
    )
    with styled_figure(SUMS_HEIGHT) as (figure, axes):
        for label, sums, colour, mark in series:
            axes.plot(pairs.field_abundance, sums, mark, color=colour, ms=4, alpha=0.8, label=label)
        axes.set_ylim(0, 1.3 * float(max(*pairs.row_sums, *pairs.column_sums, 1.0)))
        axes.set(xlabel="information abundance of the field", ylabel="sum over fields")
        axes.legend(loc="upper left", ncols=2)
        label = (
            "Sums of the map's rows and columns by the information abundance of the field: of "
            f"rows from {_range(pairs.row_sums)}, of columns from {_range(pairs.column_sums)}."
        )
        return inline_svg(figure, identity, label)


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


def pattern_maps(patterns: NDArray[np.float64], identity: str) -> str:
    """Every set's pattern, the norms of its interaction's weights by pair.

    Args:
        patterns: (M, F, F).
        identity: differs between the figures of a page.
    """
    sets = len(patterns)
    across = min(sets, 5 if sets > 4 else 4)
    down = math.ceil(sets / across)
    side = WIDTH / across
    with rc_context(STYLE):
        figure = Figure(
            figsize=(WIDTH / 72, down * (side + TITLE_HEIGHT) / 72), layout="constrained"
        )
        panels = figure.subplots(down, across, squeeze=False).flat
        for place, axes in enumerate(panels):
            if place >= sets:
                axes.set_visible(False)
                continue
            _squares(axes, patterns[place], float(patterns.max()))
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(f"set {place + 1}", fontsize=8.5, color=INK, pad=3)
        label = (
            f"Norms of the interaction's weights by pair of fields, of {sets} "
            f"{'set' if sets == 1 else 'sets'}; rows and columns in the model's order of fields."
        )
        return inline_svg(figure, identity, label)


def _squares(axes: Axes, values: NDArray[np.float64], largest: float) -> AxesImage:
    """A shade a cell, white for 0."""
    image = axes.imshow(values, cmap=_SHADES, vmin=0, vmax=largest or 1, interpolation="nearest")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
    return image


def _name_fields(axes: Axes, fields: Sequence[str]) -> None:
    if len(fields) > _NAMED_FIELDS:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    # Three quarters of a cell's height, which is a 300th of the figure's cells.
    size = min(8.5, 0.75 * 290 / len(fields))
    names = [short_name(name) for name in fields]
    axes.set_xticks(range(len(fields)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(fields)), names, fontsize=size)
