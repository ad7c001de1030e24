"""Pictures of collapse while training, as arrays of pixels: TensorBoard takes no SVG."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.figure import whole_numbers

ROW_INCHES, WIDTH_INCHES, DPI = 0.2, 7.0, 100
# Weaker singular values, over the largest, all look alike.
FLOOR = 1e-3
Pixels = NDArray[np.uint8]


def spectra_image(fields: Sequence[FieldCollapse]) -> Pixels:
    """Every field's singular values, all sets side by side: a row a field, a column a dimension.

    A row that is dark only at its left has collapsed. Returns (height, width, 3).
    """
    values = np.full((len(fields), max(field.together.dimensions for field in fields)), np.nan)
    for row, field in enumerate(fields):
        spectrum = np.clip(field.together.singular_values, FLOOR, 1)
        values[row, : len(spectrum)] = np.log10(spectrum)
    names = [field.name for field in fields]
    return _heat_map(values, names, "dimension", "log10 of singular value / largest")


def abundance_image(by_validation: Sequence[Mapping[str, float]]) -> Pixels:
    """Every field's information abundance at each validation: a row a field.

    Returns (height, width, 3).
    """
    names = list(by_validation[0])
    values = np.array([[of_step[name] for of_step in by_validation] for name in names])
    return _heat_map(values, names, "validation", "information abundance")


def _heat_map(
    values: NDArray[np.float64], rows: Sequence[str], across: str, meaning: str
) -> Pixels:
    """Values (rows, columns) as coloured cells, with the rows' names and a scale."""
    size = (WIDTH_INCHES, 1.0 + ROW_INCHES * len(rows))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    columns = values.shape[1]
    cells = axes.imshow(
        values, aspect="auto", cmap="Blues", extent=(0.5, columns + 0.5, len(rows) - 0.5, -0.5)
    )
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xlabel(across)
    whole_numbers(axes)
    figure.colorbar(cells, label=meaning)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
