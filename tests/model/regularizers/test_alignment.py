import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.model.regularizers.alignment import interaction_alignment


def norms(layers: int, sets: int, fields: int) -> Tensor:
    generator = torch.Generator().manual_seed(layers + 10 * sets + 100 * fields)
    return torch.rand(layers, sets, fields, fields, generator=generator, dtype=torch.float64)


@given(layers=st.integers(1, 4), sets=st.integers(2, 6), fields=st.integers(2, 6))
def test_is_the_mean_variance_over_sets(layers: int, sets: int, fields: int) -> None:
    given_norms, variances = norms(layers, sets, fields), []
    for of_layer in given_norms:
        for i in range(fields):
            for j in range(fields):
                values = of_layer[:, i, j].tolist()
                mean = sum(values) / sets
                variances.append(sum((value - mean) ** 2 for value in values) / sets)
    expected = torch.tensor(sum(variances) / len(variances), dtype=torch.float64)
    torch.testing.assert_close(interaction_alignment(given_norms), expected)


def test_has_its_gradient() -> None:
    assert torch.autograd.gradcheck(interaction_alignment, norms(2, 3, 3).requires_grad_())


def test_is_0_for_equal_sets_and_blind_to_their_order() -> None:
    given_norms = norms(2, 4, 3)
    alike = given_norms[:, :1].expand(-1, 4, -1, -1)
    assert interaction_alignment(alike).item() < 1e-30
    turned = interaction_alignment(given_norms.flip(1))
    torch.testing.assert_close(turned, interaction_alignment(given_norms))
