"""Pictures of collapse while training, as arrays of pixels: TensorBoard takes no SVG.

Pillow draws one in 10 ms; a matplotlib figure of 39 rows took 360 ms, six times what all the
measuring takes, and half a second to import.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from pipeline.diagnostics.collapse import Spectrum
from pipeline.diagnostics.palette import INK, SHADES
from pipeline.diagnostics.short_name import short_name

WIDTH, ROW, GAP, FONT_SIZE = 720, 18, 8, 12
SCALE_WIDTH, SCALE_LABELS = 16, 48
# Columns are numbered no closer than this.
TICK = 36
# Weaker singular values, over the largest, all look alike.
FLOOR = 1e-3
# Grey, of a dimension that a field does not have.
ABSENT = 215
Pixels = NDArray[np.uint8]


def spectra_image(spectra: Mapping[str, Spectrum]) -> Pixels:
    """Every field's singular values, all sets side by side: a row a field, a column a dimension.

    A row that is dark only at its left has collapsed. Returns (height, width, 3).
    """
    values = np.full((len(spectra), max(one.dimensions for one in spectra.values())), np.nan)
    for row, one in enumerate(spectra.values()):
        values[row, : one.dimensions] = np.log10(np.clip(one.singular_values, FLOOR, 1))
    return _heat_map(values, list(spectra), "log10 (singular value / largest), by dimension")


def abundance_image(by_validation: Sequence[Mapping[str, float]]) -> Pixels:
    """Every field's information abundance at each validation: a row a field.

    Returns (height, width, 3).
    """
    names = list(by_validation[0])
    values = np.array([[of_step[name] for of_step in by_validation] for name in names])
    return _heat_map(values, names, "information abundance, by validation")


def _heat_map(values: NDArray[np.float64], rows: Sequence[str], title: str) -> Pixels:
    """Values (rows, columns) as coloured cells, grey where nan, with names and a scale."""
    font = ImageFont.load_default(FONT_SIZE)
    rows = [short_name(name) for name in rows]
    left = GAP + int(max(font.getlength(name) for name in rows)) + GAP
    right = WIDTH - SCALE_LABELS - SCALE_WIDTH - 2 * GAP
    top, bottom = GAP + ROW, GAP + ROW + ROW * len(rows)
    image = Image.new("RGB", (WIDTH, bottom + ROW + GAP), "white")
    draw = ImageDraw.Draw(image)
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    image.paste(_coloured(values, lowest, highest, (right - left, bottom - top)), (left, top))
    scale = np.linspace(highest, lowest, 64)[:, None]
    strip = _coloured(scale, lowest, highest, (SCALE_WIDTH, bottom - top))
    image.paste(strip, (right + GAP, top))
    draw.text((left, GAP), title, INK, font)
    for row, name in enumerate(rows):
        draw.text((left - GAP, top + ROW * (row + 0.5)), name, INK, font, anchor="rm")
    beside = right + SCALE_WIDTH + 2 * GAP
    draw.text((beside, top), f"{highest:.3g}", INK, font, anchor="la")
    draw.text((beside, bottom), f"{lowest:.3g}", INK, font, anchor="ld")
    cell = (right - left) / values.shape[1]
    for column in range(0, values.shape[1], max(1, int(np.ceil(TICK / cell)))):
        middle = left + (column + 0.5) * cell
        draw.text((middle, bottom + GAP / 2), str(column + 1), INK, font, anchor="ma")
    return np.asarray(image)


def _coloured(
    values: NDArray[np.float64], lowest: float, highest: float, size: tuple[int, int]
) -> Image.Image:
    """Values as cells of a picture of ``size`` (width, height), white to dark blue."""
    shares = (values - lowest) / ((highest - lowest) or 1.0)
    steps, colours = np.linspace(0, 1, len(SHADES)), map(ImageColor.getrgb, SHADES)
    channels = [np.interp(shares, steps, levels) for levels in zip(*colours, strict=True)]
    cells = np.stack(channels, axis=-1)
    cells[np.isnan(values)] = ABSENT
    picture = Image.fromarray(cells.round().astype(np.uint8))
    return picture.resize(size, Image.Resampling.NEAREST)
