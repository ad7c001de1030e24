"""Spectra of Gaussian matrices, from Bartlett's factor instead of the matrices."""

import pytest
import torch

from pipeline.diagnostics.random_reference import random_abundance, random_dimensions


def sampled_values(rows: int, columns: int, samples: int = 2000) -> torch.Tensor:
    """(samples, min(rows, columns)) singular values of whole Gaussian matrices."""
    generator = torch.Generator().manual_seed(1)
    shape = (samples, rows, columns)
    return torch.linalg.svdvals(torch.randn(shape, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize(("rows", "columns"), [(100, 10), (7, 2), (4, 10), (10, 10), (1, 5)])
def test_abundance_is_the_mean_over_gaussian_matrices_within_one_percent(
    rows: int, columns: int
) -> None:
    values = sampled_values(rows, columns)
    mean = float((values.sum(1) / values[:, 0]).mean())
    assert random_abundance(rows, columns) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(100, 10), (41, 40), (3, 10), (10, 10), (1, 5)])
def test_dimensions_are_the_mean_over_gaussian_matrices(rows: int, columns: int) -> None:
    energy = sampled_values(rows, columns).square()
    carried = energy.cumsum(1) / energy.sum(1, keepdim=True)
    mean = float((1 + (carried < 0.95).sum(1)).double().mean())
    assert random_dimensions(rows, columns, 0.95) == pytest.approx(mean, rel=0.01)


def test_tends_to_the_number_of_columns_as_rows_grow() -> None:
    few, more, many = (random_abundance(rows, 64) for rows in (1_000, 100_000, 100_000_000))
    assert few < more < many
    assert many == pytest.approx(64, rel=1e-3)


def test_is_the_same_at_every_call() -> None:
    first = random_abundance(77, 9)
    random_abundance.cache_clear()
    assert random_abundance(77, 9) == first
