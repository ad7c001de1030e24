"""Matrices in the layouts that CPUs multiply fastest are the same matrices."""

import pytest
import torch
from torch import Tensor

from pipeline.model.layers import SetLinear
from pipeline.model.matrix_layouts import (
    filled_up,
    product_over_rows,
    sum_with_product,
    tiled_columns,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("columns", "filled"), [(127, 127), (128, 128), (129, 144), (390, 400), (400, 400)]
)
def test_wide_rows_of_bfloat16_are_filled_up_to_tiles_of_16_columns(
    columns: int, filled: int
) -> None:
    assert tiled_columns(columns, torch.empty(0, dtype=torch.bfloat16)) == filled


def test_autocast_says_what_the_products_are_in() -> None:
    assert tiled_columns(390, torch.empty(0)) == 390
    with torch.autocast("cpu", torch.bfloat16):
        assert tiled_columns(390, torch.empty(0)) == 400


class TestFilledUp:
    def test_zeros_follow_the_numbers(self) -> None:
        found = filled_up(torch.tensor([[[1.0, 2.0]]]), 2, 3)
        assert found.tolist() == [[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]

    def test_autocasts_type_is_taken_on_and_the_gradient_has_that_of_what_was_given(self) -> None:
        given = random(2, 3, 4).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            found = filled_up(given, 5, 6)
        assert found.dtype == torch.bfloat16
        weights = random(2, 5, 6, seed=1).bfloat16()
        found.backward(weights)
        assert given.grad is not None
        assert given.grad.dtype == torch.float32
        assert torch.equal(given.grad, weights[:, :3, :4].float())

    def test_what_has_the_shape_stays(self) -> None:
        given = random(2, 3, 4)
        assert filled_up(given, 3, 4) is given


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_product_over_rows_is_the_sum_of_outer_products(kind: torch.dtype) -> None:
    left, right = random(2, 50, 130).to(kind), random(2, 50, 200, seed=1).to(kind)
    expected = torch.einsum("mbi,mbo->mio", left.double(), right.double())
    found = product_over_rows(left, right).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 if kind is torch.float32 else 0.2)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("summands", [1, 50])
def test_a_sum_with_a_product_may_take_the_summands_place(kind: torch.dtype, summands: int) -> None:
    left, right = random(2, 50, 130).to(kind), random(2, 130, 200, seed=1).to(kind)
    summand = random(2, summands, 200, seed=2).to(kind)
    expected = summand.double() + torch.einsum("mbi,mio->mbo", left.double(), right.double())
    out = summand if summands == 50 else summand.new_empty(2, 50, 200)
    found = sum_with_product(summand, left, right, out=out)
    assert found is out
    atol = 1e-4 if kind is torch.float32 else 0.4
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("columns", [130, 144])
def test_a_wide_linear_layer_in_bfloat16_has_the_outputs_and_gradients_of_float64(
    columns: int,
) -> None:
    torch.manual_seed(0)
    layer = SetLinear(2, columns, 203)
    exact = SetLinear(2, columns, 203).double()
    exact.load_state_dict(layer.state_dict())
    given = random(2, 50, columns)
    found = []
    for of, autocast in ((layer, True), (exact, False)):
        rows = given.to(of.weight.dtype, copy=True).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = of(rows)
        outputs.backward(random(2, 50, 203, seed=1).to(outputs.dtype))
        found.append((outputs.detach(), rows.grad, of.weight.grad, of.bias.grad))
    for ours, theirs in zip(*found, strict=True):
        # Inputs, weights and outputs keep 8 bits each.
        atol = 2**-6 * theirs.abs().max().item()
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=atol)
