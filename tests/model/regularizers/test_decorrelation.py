import torch
from hypothesis import given
from regularizer_cases import SHAPES, double

from pipeline.model.regularizers.decorrelation import decorrelation


@given(SHAPES)
def test_is_the_sum_of_squared_covariances_of_other_columns(
    shape: tuple[int, int, int, int],
) -> None:
    embeddings = double(*shape)
    sets, _, fields, columns = shape
    sums = []
    for of_set in embeddings:
        for field in range(fields):
            covariance = torch.cov(of_set[:, field].T, correction=0)
            pairs = [(a, b) for a in range(columns) for b in range(columns) if a != b]
            sums.append(sum(covariance[a, b] ** 2 for a, b in pairs))
    expected = sum(sums) / (sets * fields * columns)
    torch.testing.assert_close(decorrelation(embeddings), expected)


def test_has_its_gradient() -> None:
    assert torch.autograd.gradcheck(decorrelation, double(2, 4, 2, 3))


def test_is_0_for_uncorrelated_columns_wherever_their_means_are() -> None:
    columns = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    embeddings = (columns * torch.tensor([1.0, 5.0]) + torch.tensor([3.0, -2.0]))[None, :, None]
    assert decorrelation(embeddings).item() == 0


def test_of_one_row_is_0() -> None:
    assert decorrelation(double(2, 1, 3, 4)).item() == 0
