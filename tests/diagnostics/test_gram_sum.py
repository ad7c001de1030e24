"""Sums of X^T X over blocks of rows."""

import pytest
import torch
from measured_fields import random_matrix

from pipeline.diagnostics import gram_sum
from pipeline.diagnostics.field_gram import field_gram
from pipeline.diagnostics.gram_sum import block_rows, gram
from pipeline.diagnostics.spectrum import information_abundance, singular_values


def test_no_rows_have_a_gram_matrix_of_zeros() -> None:
    assert torch.equal(gram(torch.zeros(0, 3)), torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.parametrize("rows", [12, 100, 1000, 2000, 5000])
def test_the_gram_matrix_does_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(gram_sum, "BLOCK_BYTES", rows * 6 * 8)
    matrix = random_matrix(3000, 6)

    assert block_rows(6) == rows
    torch.testing.assert_close(gram(matrix), matrix.T @ matrix, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_short_floats_are_widened_before_they_are_multiplied(dtype: torch.dtype) -> None:
    matrix = random_matrix(300, 5).to(dtype)

    expected = matrix.double().T @ matrix.double()

    torch.testing.assert_close(gram(matrix), expected, rtol=1e-13, atol=1e-13)


def test_the_gram_matrix_of_float32_rows_is_accumulated_in_float64() -> None:
    matrix = torch.full((100_000, 1), 0.1)

    exact = 100_000 * float(torch.tensor(0.1)) ** 2

    assert gram(matrix).item() == pytest.approx(exact, rel=1e-13)


def test_a_million_equal_rows_have_one_singular_value() -> None:
    # The worst case of rounding: every addition errs in the same direction.
    matrix = (torch.rand(10, generator=torch.Generator().manual_seed(0)) + 0.5).expand(10**6, 10)

    assert information_abundance(singular_values(gram(matrix))) == 1


def test_gram_matrices_of_shards_add_up() -> None:
    matrix = random_matrix(90, 5)

    total = gram(matrix[:20]) + gram(matrix[20:])

    torch.testing.assert_close(total, gram(matrix), rtol=1e-13, atol=1e-13)


def test_matrices_side_by_side_have_the_gram_matrix_of_their_concatenation() -> None:
    sets = [random_matrix(50, 3, seed=0), random_matrix(50, 4, seed=1)]

    together = field_gram("field", sets, torch.ones(50)).plain

    torch.testing.assert_close(together, gram(torch.cat(sets, dim=1)), rtol=1e-13, atol=1e-13)


def test_matrices_of_different_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[5, 6\] rows"):
        field_gram("field", [random_matrix(5, 2), random_matrix(6, 2)], torch.ones(5))


def test_without_counts_each_row_counts_once() -> None:
    sets = [random_matrix(50, 2)]

    found, expected = field_gram("a", sets, None), field_gram("a", sets, torch.ones(50))

    torch.testing.assert_close(found.weighted, expected.weighted, rtol=1e-13, atol=1e-13)
