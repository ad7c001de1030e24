"""The figures of collapse: information abundance by field, and spectra."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.diagnostics.collapse import FieldCollapse, Spectrum
from pipeline.diagnostics.figure import inline_svg, styled_figure, whole_numbers
from pipeline.diagnostics.palette import BLUE, FAINT, INK, MUTED, ORANGE, PALE_BLUE, TEAL
from pipeline.diagnostics.short_name import short_name

ROW_HEIGHT = 17
# Where the columns beside the bars end, to the right of the axes.
COLUMNS_RIGHT = (34, 68)

# A sparkline's scale: from the largest singular value down to this share of it.
SPARKLINE_FLOOR = 1e-3


def abundance_bars(fields: Sequence[FieldCollapse]) -> str:
    """Information abundance by field, the lowest on top.

    A bar for all sets side by side, dots for each set, and a mark for a random matrix.
    """
    fields = sorted(fields, key=lambda field: field.together.information_abundance)
    values = [field.together.information_abundance for field in fields]
    longest = max(1.0, *values, *(field.random_abundance for field in fields))
    places = range(len(fields))
    with styled_figure(58 + ROW_HEIGHT * len(fields)) as (figure, axes):
        axes.barh(places, values, height=0.7, color=PALE_BLUE)
        for place, field in zip(places, fields, strict=True):
            _bar_details(axes, place, field)
        axes.set_yticks(places, [short_name(field.name) for field in fields])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set(
            xlim=(0, 1.03 * longest),
            ylim=(len(fields) - 0.5, -1.5),
            xlabel="information abundance",
        )
        _beside_axes(axes, -1, ("value", "rows"), MUTED)
        label = (
            f"Information abundance of {len(fields)} fields, from {values[0]:.2f} in "
            f"{fields[0].name} to {values[-1]:.2f} in {fields[-1].name}. The table by field has "
            "the figures."
        )
        return inline_svg(figure, "abundance-by-field", label)


def _bar_details(axes: Axes, place: int, field: FieldCollapse) -> None:
    """A dot for each set, the random mark, and beside them the value and the field's rows."""
    value = field.together.information_abundance
    axes.plot(field.random_abundance, place, "|", color=ORANGE, markersize=10, markeredgewidth=1.4)
    if len(field.sets) > 1:
        dots = [one.information_abundance for one in field.sets]
        axes.plot(dots, [place] * len(dots), "o", color=BLUE, markersize=3.4, alpha=0.8)
    _beside_axes(axes, place, (f"{value:.1f}", short_count(field.cardinality)), INK)


def _beside_axes(axes: Axes, place: int, texts: Sequence[str], colour: str) -> None:
    """Columns of texts to the right of the axes, at a bar's height, clear of its marks."""
    for text, right in zip(texts, COLUMNS_RIGHT, strict=True):
        axes.annotate(
            text,
            (1, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(right, 0),
            textcoords="offset points",
            horizontalalignment="right",
            verticalalignment="center",
            color=colour,
            fontsize=8.5,
        )


def spectra(fields: Sequence[FieldCollapse], highlighted: Mapping[str, str]) -> str:
    """The spectrum of every field, all sets side by side.

    Args:
        fields: the model's fields.
        highlighted: up to three fields to show in colour, and what to say of each of them, or "".
    """
    lines = [(field.name, field.together) for field in fields]
    return _spectra(lines, highlighted, "spectra-together", "with all sets side by side")


def set_spectra(fields: Sequence[FieldCollapse], highlighted: Mapping[str, str]) -> str:
    """The spectrum of every set of every field, each set alone. See ``spectra``."""
    lines = [(field.name, one) for field in fields for one in field.sets]
    return _spectra(lines, highlighted, "spectra-by-set", "of each set alone")


def _spectra(
    lines: Sequence[tuple[str, Spectrum]], highlighted: Mapping[str, str], identity: str, what: str
) -> str:
    """All spectra faint, those of the highlighted fields in colour and on top."""
    colours = dict(zip(highlighted, (BLUE, TEAL, ORANGE), strict=False))
    longest = max(spectrum.dimensions for _, spectrum in lines)
    with styled_figure(260) as (figure, axes):
        for name, spectrum in lines:
            shown = [value for value in spectrum.singular_values if value > 0]
            dimensions = range(1, len(shown) + 1)
            if name in colours:
                axes.plot(dimensions, shown, color=colours[name], zorder=3)
            else:
                axes.plot(dimensions, shown, color=FAINT, linewidth=0.8, alpha=0.5)
        # Handed over with their labels: matplotlib leaves out lines whose label begins with "_".
        handles = [axes.plot([], [], color=colour)[0] for colour in colours.values()]
        labels = [", ".join(filter(None, (short_name(one), highlighted[one]))) for one in colours]
        axes.set(yscale="log", xlabel="dimension", ylabel="singular value / largest")
        axes.set_xlim(0.5, longest + 0.5)
        axes.set_ylim(top=1.3)
        axes.yaxis.set_major_formatter("{x:g}")
        whole_numbers(axes)
        axes.legend(handles, labels, loc="best")
        label = f"Singular values of every field {what}, over the largest, on a logarithmic scale."
        return inline_svg(figure, identity, label)


def sparkline(spectrum: Spectrum) -> str:
    """A spectrum as small bars, logarithmic from 1 down to 1e-3."""
    values = np.clip(spectrum.singular_values, SPARKLINE_FLOOR, 1)
    heights = 20 * (1 - np.log(values) / np.log(SPARKLINE_FLOOR))
    step = 100 / len(values)
    bars = "".join(
        f"M{column * step:.1f} 20v{-height:.1f}h{0.75 * step:.2f}v{height:.1f}z"
        for column, height in enumerate(heights)
        if height > 0
    )
    return (
        '<svg class="sparkline" viewBox="0 0 100 20" preserveAspectRatio="none" '
        f'aria-hidden="true"><path d="{bars}"/></svg>'
    )


def short_count(count: int) -> str:
    """A whole number in three digits and a letter.

    >>> [short_count(count) for count in (4, 950, 12_345, 99_960, 999_700, 1_234_567)]
    ['4', '950', '12.3k', '100k', '1.0M', '1.2M']
    """
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        # From where it would be rounded to 1000 of the smaller unit.
        if count >= 0.9995 * size:
            shown = count / size
            return f"{shown:.{0 if shown >= 99.95 else 1}f}{suffix}"
    return str(count)
