"""Pictures of collapse for TensorBoard."""

import numpy as np
import torch
from PIL import ImageColor

from pipeline.diagnostics.collapse import Spectrum, spectrum_of
from pipeline.diagnostics.collapse_images import abundance_image, spectra_image
from pipeline.diagnostics.gram_sum import gram
from pipeline.diagnostics.palette import SHADES


def spectra() -> dict[str, Spectrum]:
    """One whose dimensions are all alike, and one of a single direction."""
    alike = torch.eye(8)
    single = torch.outer(torch.arange(1.0, 9.0), torch.ones(8))
    return {"alike": spectrum_of(gram(alike)), "single": spectrum_of(gram(single))}


def blue_cells(image: np.ndarray) -> np.ndarray:
    """(height, width) whether a pixel has the map's darkest blue, left of the scale."""
    dark = (np.abs(image.astype(int) - ImageColor.getrgb(SHADES[-1])) < 16).all(axis=2)
    return dark[:, : int(0.75 * image.shape[1])]


def test_a_collapsed_field_is_dark_at_its_left_alone() -> None:
    rows = blue_cells(spectra_image(spectra())).sum(axis=1)
    dark = np.flatnonzero(rows)
    upper, lower = rows[dark[len(dark) // 4]], rows[dark[3 * len(dark) // 4]]
    assert upper > 5 * lower > 0


def test_every_validation_is_a_column_of_the_abundance_image() -> None:
    image = abundance_image([{"a": 1.0, "b": 1.0}, {"a": 9.0, "b": 1.0}])
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    places = np.argwhere(blue_cells(image))
    # One cell is dark: the first field at the second validation.
    middle = places.mean(axis=0) / image.shape[:2]
    assert middle[0] < 0.5
    assert middle[1] > 0.45


def test_a_long_name_leaves_room_for_the_cells() -> None:
    short, long = (abundance_image([{name: 1.0, "b": 9.0}]) for name in ("a", "a" * 300))
    assert long.shape == short.shape
    assert blue_cells(long).sum() > 0.6 * blue_cells(short).sum()
