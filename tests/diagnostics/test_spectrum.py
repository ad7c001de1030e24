import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_fields import random_matrix
from torch import Tensor

from pipeline.diagnostics.gram_sum import gram
from pipeline.diagnostics.spectrum import (
    NOISE_FLOOR,
    dimensions_for,
    effective_rank,
    information_abundance,
    participation_ratio,
    singular_values,
)


def direct(matrix: Tensor) -> Tensor:
    """Singular values by LAPACK's SVD of the matrix itself, padded to (K,)."""
    values = torch.linalg.svdvals(matrix.double())
    return torch.nn.functional.pad(values, (0, matrix.shape[1] - len(values)))


def with_dead_columns(matrix: Tensor, dead: int) -> Tensor:
    matrix = matrix.clone()
    matrix[:, ::dead] = 0
    return matrix


def of_low_rank(rows: int, columns: int, rank: int) -> Tensor:
    return random_matrix(rows, rank) @ random_matrix(rank, columns, seed=1)


def of_decaying_spectrum(rows: int, columns: int, smallest: float) -> Tensor:
    left = torch.linalg.qr(random_matrix(rows, columns)).Q
    right = torch.linalg.qr(random_matrix(columns, columns, seed=1)).Q
    return left * torch.logspace(0, math.log10(smallest), columns, dtype=torch.float64) @ right.T


MATRICES = {
    "tall": random_matrix(5000, 40),
    "fewer rows than columns": random_matrix(4, 40),
    "one row": random_matrix(1, 10),
    "dead columns": with_dead_columns(random_matrix(300, 40), dead=3),
    "low rank": of_low_rank(2000, 40, rank=5),
    "fewer rows than columns and dead columns": with_dead_columns(random_matrix(7, 12), dead=2),
    "spectrum over six decades": of_decaying_spectrum(500, 16, smallest=1e-6),
    "tiny values": random_matrix(100, 10) * 1e-30,
    "float32": random_matrix(1000, 10).float(),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_singular_values_agree_with_a_direct_svd_to_1e_8_of_the_largest(matrix: Tensor) -> None:
    expected = direct(matrix)

    found = singular_values(gram(matrix))

    assert found.shape == (matrix.shape[1],)
    torch.testing.assert_close(found / expected[0], expected / expected[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_information_abundance_agrees_with_a_direct_svd(matrix: Tensor) -> None:
    expected = direct(matrix)

    found = information_abundance(singular_values(gram(matrix)))

    assert found == pytest.approx(float(expected.sum() / expected[0]), abs=1e-7)


def test_the_error_far_down_the_spectrum_is_as_documented() -> None:
    matrix = of_decaying_spectrum(500, 16, smallest=1e-6)
    expected = direct(matrix)

    error = (singular_values(gram(matrix)) - expected).abs()

    assert bool((error <= 5e-15 / expected).all())


def test_what_lies_below_the_noise_floor_is_zero() -> None:
    matrix = torch.diag(torch.tensor([1.0, 2 * NOISE_FLOOR, NOISE_FLOOR / 2], dtype=torch.float64))

    found = singular_values(gram(matrix))

    torch.testing.assert_close(
        found, torch.tensor([1.0, 2 * NOISE_FLOOR, 0.0], dtype=torch.float64), rtol=0, atol=1e-14
    )


def test_the_zero_matrix_measures_zero() -> None:
    values = singular_values(gram(torch.zeros(10, 4)))

    assert information_abundance(values) == 0
    assert effective_rank(values) == 0
    assert participation_ratio(values) == 0
    assert dimensions_for(values, 0.95) == 0


@pytest.mark.parametrize("columns", [1, 4, 10])
def test_equal_singular_values_count_every_dimension(columns: int) -> None:
    values = singular_values(gram(torch.linalg.qr(random_matrix(50, columns)).Q))

    assert information_abundance(values) == pytest.approx(columns)
    assert effective_rank(values) == pytest.approx(columns)
    assert participation_ratio(values) == pytest.approx(columns)


def test_measures_of_a_hand_computed_spectrum() -> None:
    values = torch.tensor([4.0, 2.0, 2.0], dtype=torch.float64)

    assert information_abundance(values) == 2.0
    assert effective_rank(values) == pytest.approx(2 ** (0.5 * 1 + 2 * 0.25 * 2))
    assert participation_ratio(values) == pytest.approx((16 + 4 + 4) ** 2 / (256 + 16 + 16))
    assert dimensions_for(values, 0.5) == 1
    assert dimensions_for(values, 0.8) == 2
    assert dimensions_for(values, 0.95) == 3


LAW = settings(max_examples=50)
SHAPES = st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**31))


@LAW
@given(SHAPES)
def test_information_abundance_lies_between_1_and_the_possible_rank(
    shape: tuple[int, int, int],
) -> None:
    rows, columns, seed = shape

    found = information_abundance(singular_values(gram(random_matrix(rows, columns, seed))))

    assert 1 <= found <= min(rows, columns) + 1e-9


@LAW
@given(SHAPES, st.floats(1e-20, 1e20))
def test_information_abundance_does_not_depend_on_the_scale(
    shape: tuple[int, int, int], scale: float
) -> None:
    matrix = random_matrix(*shape)

    found = information_abundance(singular_values(gram(matrix * scale)))

    assert found == pytest.approx(information_abundance(singular_values(gram(matrix))), abs=1e-6)


@LAW
@given(SHAPES)
def test_information_abundance_does_not_depend_on_rotations_of_rows_or_columns(
    shape: tuple[int, int, int],
) -> None:
    rows, columns, seed = shape
    matrix = random_matrix(rows, columns, seed)
    of_rows = torch.linalg.qr(random_matrix(rows, rows, seed + 1)).Q
    of_columns = torch.linalg.qr(random_matrix(columns, columns, seed + 2)).Q

    found = information_abundance(singular_values(gram(of_rows @ matrix @ of_columns)))

    assert found == pytest.approx(information_abundance(singular_values(gram(matrix))), abs=1e-6)


@LAW
@given(SHAPES)
def test_effective_rank_and_participation_ratio_lie_between_1_and_the_possible_rank(
    shape: tuple[int, int, int],
) -> None:
    rows, columns, seed = shape
    values = singular_values(gram(random_matrix(rows, columns, seed)))

    for measure in (effective_rank, participation_ratio):
        assert 1 - 1e-9 <= measure(values) <= min(rows, columns) + 1e-9
