"""A linear layer for every set."""

import math

import pytest
import torch
from torch import Tensor, nn

from pipeline.model.layers import SetLinear

SETS, ROWS, WIDTH = 3, 7, 5


def random_inputs(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3 + 1


class TestSetLinear:
    def test_is_a_linear_layer_for_every_set(self) -> None:
        layer = SetLinear(SETS, WIDTH, 4).double()
        assert layer.bias is not None
        inputs = random_inputs(SETS, ROWS, WIDTH)
        outputs = layer(inputs)
        for place in range(SETS):
            single = nn.Linear(WIDTH, 4).double()
            single.weight.data = layer.weight[place].T
            single.bias.data = layer.bias[place, 0]
            torch.testing.assert_close(outputs[place], single(inputs[place]), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("bias", [True, False])
    def test_wide_rows_have_the_gradients_of_a_linear_layer(self, bias: bool) -> None:
        layer = SetLinear(2, 130, 203, bias=bias).double()
        inputs, theirs = (random_inputs(2, ROWS, 130).requires_grad_() for _ in range(2))
        layer(inputs).square().sum().backward()
        for place in range(2):
            single = nn.Linear(130, 203, bias=bias).double()
            single.weight.data = layer.weight.data[place].T
            if layer.bias is not None:
                single.bias.data = layer.bias.data[place, 0]
            single(theirs[place]).square().sum().backward()
            torch.testing.assert_close(layer.weight.grad[place], single.weight.grad.T)
            if layer.bias is not None:
                torch.testing.assert_close(layer.bias.grad[place, 0], single.bias.grad)
        torch.testing.assert_close(inputs.grad, theirs.grad)

    def test_wide_rows_begin_at_multiples_of_64_bytes(self) -> None:
        outputs = SetLinear(2, WIDTH, 130)(torch.rand(2, ROWS, WIDTH))
        assert outputs.shape == (2, ROWS, 130)
        assert {row.data_ptr() % 64 for rows in outputs for row in rows} == {0}

    def test_autocast_gives_its_type_and_keeps_that_of_the_gradients(self) -> None:
        layer, inputs = SetLinear(2, WIDTH, 130), torch.rand(2, ROWS, WIDTH, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = layer(inputs)
        assert outputs.dtype == torch.bfloat16
        outputs.float().sum().backward()
        assert (
            inputs.grad.dtype == layer.weight.grad.dtype == layer.bias.grad.dtype == torch.float32
        )
        expected = torch.bmm(inputs.detach(), layer.weight.detach()) + layer.bias.detach()
        torch.testing.assert_close(outputs.float(), expected, rtol=2e-2, atol=2e-2)

    def test_starts_uniform_within_the_bound_of_torchs_linear(self) -> None:
        torch.manual_seed(0)
        layer = SetLinear(4, 100, 50)
        assert layer.bias is not None
        bound = 1 / math.sqrt(100)
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= bound
        # The standard deviation of a uniform variable; 20,000 draws settle it to about 1 %.
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert layer.weight.mean().item() == pytest.approx(0, abs=bound / 50)

    def test_starts_with_other_weights_in_every_set(self) -> None:
        layer = SetLinear(2, WIDTH, 4)
        assert not torch.equal(layer.weight[0], layer.weight[1])

    def test_without_a_bias_is_the_product_alone(self) -> None:
        layer = SetLinear(SETS, WIDTH, 4, bias=False).double()
        assert [name for name, _ in layer.named_parameters()] == ["weight"]
        inputs = random_inputs(SETS, ROWS, WIDTH)
        expected = torch.stack([x @ w for x, w in zip(inputs, layer.weight, strict=True)])
        torch.testing.assert_close(layer(inputs), expected, rtol=0, atol=1e-12)
