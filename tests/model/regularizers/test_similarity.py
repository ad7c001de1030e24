from itertools import combinations

import torch
from hypothesis import given
from regularizer_cases import SHAPES, double

from pipeline.model.regularizers.similarity import space_similarity


@given(SHAPES)
def test_is_the_mean_squared_singular_value_of_the_products(
    shape: tuple[int, int, int, int],
) -> None:
    embeddings = double(*shape)
    values = [
        torch.linalg.svdvals(embeddings[one, :, field].T @ embeddings[other, :, field])
        for one, other in combinations(range(shape[0]), 2)
        for field in range(shape[2])
    ]
    torch.testing.assert_close(space_similarity(embeddings), torch.cat(values).square().mean())


def test_has_its_gradient() -> None:
    assert torch.autograd.gradcheck(space_similarity, double(3, 4, 2, 2))


def test_is_0_for_orthogonal_spaces_and_grows_as_they_meet() -> None:
    apart = torch.zeros(2, 6, 1, 2, dtype=torch.float64)
    apart[0, :2, 0], apart[1, 2:4, 0] = torch.eye(2), torch.eye(2)
    half, together = apart.clone(), apart.clone()
    half[1, :, 0, 0] = half[0, :, 0, 0]
    together[1] = together[0]
    found = [space_similarity(batch).item() for batch in (apart, half, together)]
    assert found == [0, 0.5, 1]


def test_depends_on_a_field_alone() -> None:
    """Another field's space may be that of this field's other set."""
    embeddings = torch.zeros(2, 4, 2, 1, dtype=torch.float64)
    embeddings[0, 0, 0] = embeddings[1, 0, 1] = embeddings[0, 1, 1] = embeddings[1, 1, 0] = 1
    assert space_similarity(embeddings).item() == 0
