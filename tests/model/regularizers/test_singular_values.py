import pytest
import torch
from hypothesis import given
from regularizer_cases import SHAPES, batch, double, orthonormal
from torch import Tensor

from pipeline.model.regularizers.singular_values import singular_value_spread


def reference(embeddings: Tensor) -> Tensor:
    """var(s / mean(s)) from explicit decompositions."""
    spreads = []
    for of_set in embeddings:
        for field in range(of_set.shape[1]):
            values = torch.linalg.svdvals(of_set[:, field])
            relative = values / values.mean()
            squares = (relative - relative.mean()).square().sum()
            spreads.append(squares / (len(values) - 1))
    return torch.stack(spreads).mean()


@given(SHAPES)
def test_is_the_variance_of_the_relative_singular_values(
    shape: tuple[int, int, int, int],
) -> None:
    ours, theirs = double(*shape), double(*shape)
    found, expected = singular_value_spread(ours), reference(theirs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    found.backward(), expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-7, atol=1e-9)


def test_has_its_gradient() -> None:
    assert torch.autograd.gradcheck(singular_value_spread, double(2, 5, 2, 3))


def test_is_0_with_gradient_0_where_all_singular_values_are_equal() -> None:
    """Equal eigenvalues have no gap, by which the gradients of eigenvectors are divided."""
    embeddings = 3 * orthonormal(2, 9, 2, 4)
    embeddings.requires_grad_()
    spread = singular_value_spread(embeddings)
    spread.backward()
    assert spread.item() == pytest.approx(0, abs=1e-20)
    assert embeddings.grad.abs().max() < 1e-8


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_has_a_finite_gradient_where_singular_values_are_0(rank: int) -> None:
    embeddings = double(1, 9, 1, 5).detach()
    embeddings[..., rank:] = 0
    embeddings.requires_grad_()
    spread = singular_value_spread(embeddings)
    spread.backward()
    assert embeddings.grad.isfinite().all()
    values = torch.linalg.svdvals(embeddings[0, :, 0].detach())
    values[rank:] = 0
    expected = (values / values.mean()).var().item() if rank else 0.0
    assert spread.item() == pytest.approx(expected)


def test_does_not_depend_on_the_scale() -> None:
    embeddings = double(2, 9, 2, 4).detach()
    one, two = singular_value_spread(embeddings), singular_value_spread(1e-4 * embeddings)
    torch.testing.assert_close(one, two)


def test_of_float32_resolves_small_singular_values() -> None:
    """1e-5 of the largest, which a Gram matrix of float32 would lose."""
    values = torch.tensor([1.0, 1e-5, 1e-5])
    embeddings = (orthonormal(1, 20, 1, 3) * values).float().requires_grad_()
    spread = singular_value_spread(embeddings)
    assert spread.dtype == torch.float32
    spread.backward()
    wide = embeddings.detach().double().requires_grad_()
    reference(wide).backward()
    assert (embeddings.grad - wide.grad).norm() <= 1e-4 * wide.grad.norm()


def test_of_a_diverged_training_raises_nothing() -> None:
    embeddings = batch(1, 4, 2, 3, torch.float32)
    embeddings[0, 0, 0, 0] = torch.nan
    assert singular_value_spread(embeddings).isfinite()
