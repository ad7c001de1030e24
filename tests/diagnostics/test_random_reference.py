"""E[IA(R)] of Gaussian matrices, from Bartlett's factor instead of the matrices."""

import pytest
import torch

from pipeline.diagnostics.random_reference import random_abundance


def sampled_abundance(rows: int, columns: int, samples: int = 200) -> tuple[float, float]:
    """Mean and deviation of IA over whole Gaussian matrices."""
    generator = torch.Generator().manual_seed(1)
    shape = (samples, rows, columns)
    values = torch.linalg.svdvals(torch.randn(shape, generator=generator, dtype=torch.float64))
    abundances = values.sum(1) / values[:, 0]
    return float(abundances.mean()), float(abundances.std())


@pytest.mark.parametrize(("rows", "columns"), [(100, 10), (500, 40), (3, 10), (10, 10), (1, 5)])
def test_is_the_mean_over_gaussian_matrices(rows: int, columns: int) -> None:
    mean, deviation = sampled_abundance(rows, columns)
    # Four standard errors of the mean of 16 samples.
    assert random_abundance(rows, columns) == pytest.approx(mean, abs=deviation + 1e-12)


def test_tends_to_the_number_of_columns_as_rows_grow() -> None:
    few, more, many = (random_abundance(rows, 64) for rows in (1_000, 100_000, 100_000_000))
    assert few < more < many
    assert many == pytest.approx(64, rel=1e-3)


def test_is_the_same_at_every_call() -> None:
    first = random_abundance(77, 9)
    random_abundance.cache_clear()
    assert random_abundance(77, 9) == first
