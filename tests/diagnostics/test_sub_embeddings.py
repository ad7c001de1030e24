"""Sub-embeddings of field pairs against the matrices themselves."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.diagnostics.field_gram import field_gram
from pipeline.diagnostics.sub_embeddings import sorted_sub_embeddings, sub_embedding_abundance

ROWS, FIELDS, SIZE = 50, 4, 3


def abundance(matrix: Tensor) -> float:
    values = torch.linalg.svdvals(matrix)
    return float(values.sum() / values[0])


@pytest.mark.parametrize("sets", [1, 3])
@pytest.mark.parametrize("columns", [3, 5])
def test_is_that_of_the_mapped_sets_side_by_side(sets: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(sets + columns)
    matrices = list(torch.randn(sets, ROWS, columns, generator=generator, dtype=torch.float64))
    maps = torch.randn(sets, FIELDS, columns, SIZE, generator=generator, dtype=torch.float64)

    gram = field_gram("field", matrices, torch.ones(ROWS)).plain

    found = sub_embedding_abundance(gram, maps)

    for towards in range(FIELDS):
        mapped = [matrix @ maps[m, towards] for m, matrix in enumerate(matrices)]
        expected = abundance(torch.cat(mapped, dim=1))
        assert float(found[towards]) == pytest.approx(expected, abs=1e-8)


def test_a_map_to_zero_has_none() -> None:
    gram = torch.eye(3, dtype=torch.float64)
    maps = torch.stack([torch.zeros(3, 3), torch.eye(3)])[None]
    assert sub_embedding_abundance(gram, maps).tolist() == [0.0, 3.0]


def test_fields_stand_by_falling_information_abundance() -> None:
    rows = [torch.tensor([11.0, 12.0]), torch.tensor([21.0, 22.0])]

    found = sorted_sub_embeddings(["low", "high"], [1.0, 2.0], rows)

    assert found.fields == ("high", "low")
    assert found.field_abundance.tolist() == [2.0, 1.0]
    assert found.abundance.tolist() == [[22.0, 21.0], [12.0, 11.0]]
    assert found.row_sums.tolist() == [43.0, 23.0]
    assert found.column_sums.tolist() == [34.0, 32.0]


def test_correlation_is_pearsons_of_column_sums_and_fields() -> None:
    of_pairs = torch.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    found = sorted_sub_embeddings("abc", [5.0, 3.0, 4.0], of_pairs)
    columns, fields = np.array([6.0, 4.0, 4.0]), np.array([5.0, 3.0, 4.0])
    covariance = ((columns - columns.mean()) * (fields - fields.mean())).mean()
    assert found.correlation == pytest.approx(covariance / (columns.std() * fields.std()))


def test_correlation_with_equal_fields_is_not_defined() -> None:
    assert math.isnan(sorted_sub_embeddings("ab", [2.0, 2.0], torch.eye(2)).correlation)
