import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from regularizer_cases import SHAPES, batch, double, orthonormal

from pipeline.model.regularizers.spectral_balance import spectral_balance


@given(SHAPES)
def test_is_its_function_of_the_singular_values(shape: tuple[int, int, int, int]) -> None:
    embeddings = double(*shape)
    balances = []
    for of_set in embeddings:
        for field in range(shape[2]):
            values = torch.linalg.svdvals(of_set[:, field])
            energy = values.square().sum()
            balances.append(shape[3] * (values**4).sum() / energy**2 - 1)
    torch.testing.assert_close(spectral_balance(embeddings), torch.stack(balances).mean())


def test_has_its_gradient() -> None:
    assert torch.autograd.gradcheck(spectral_balance, double(2, 4, 2, 3))


@given(SHAPES)
def test_is_least_for_orthonormal_columns(shape: tuple[int, int, int, int]) -> None:
    balanced = spectral_balance(orthonormal(*shape)).item()
    assert balanced == pytest.approx(0, abs=1e-12)
    assert spectral_balance(double(*shape)).item() > balanced


def test_is_most_at_rank_1() -> None:
    embeddings = double(1, 9, 1, 4)[..., :1] * torch.ones(4, dtype=torch.float64)
    assert spectral_balance(embeddings).item() == pytest.approx(4 - 1)


@given(scale=st.floats(1e-6, 1e6))
def test_is_blind_to_scale_and_its_step_keeps_the_norm(scale: float) -> None:
    embeddings = double(1, 9, 1, 4)
    one = spectral_balance(embeddings)
    torch.testing.assert_close(spectral_balance(scale * embeddings), one)
    one.backward()
    # The gradient is orthogonal to the embeddings.
    assert (embeddings.grad * embeddings).sum().item() == pytest.approx(0, abs=1e-12)


def test_step_shrinks_large_singular_values_and_grows_small_ones() -> None:
    start = torch.tensor([3.0, 2.0, 0.5], dtype=torch.float64)
    embeddings = (orthonormal(1, 9, 1, 3) * start).requires_grad_()
    spectral_balance(embeddings).backward()
    values = torch.linalg.svdvals((embeddings - 0.01 * embeddings.grad)[0, :, 0])
    assert values[0] < start[0]
    assert values[2] > start[2]


def test_of_a_field_without_ids_has_no_gradient() -> None:
    embeddings = torch.zeros(1, 9, 1, 4, requires_grad=True)
    balance = spectral_balance(embeddings)
    balance.backward()
    assert balance.isfinite()
    assert not embeddings.grad.any()


def test_of_float32_agrees_with_float64_at_the_papers_starting_scale() -> None:
    wide = 1e-3 * batch(2, 64, 3, 10, torch.float64)
    found = spectral_balance(wide.float()).double()
    torch.testing.assert_close(found, spectral_balance(wide), rtol=1e-4, atol=0)
