import math

import pytest
import torch
from torch import Tensor

from pipeline.model.layers import Dropout


def random_inputs(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3 + 1


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5, 0.9, 0.999])
def test_drops_at_its_rounded_rate(probability: float) -> None:
    torch.manual_seed(0)
    count = 2_000_003
    rate = min(round(probability * 256), 255) / 256
    dropped = (Dropout(probability)(torch.ones(count)) == 0).sum().item()
    # Five standard deviations of the binomial distribution.
    assert abs(dropped - count * rate) < 5 * math.sqrt(count * rate * (1 - rate))


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5, 0.9])
def test_scales_what_is_kept_so_that_the_expectation_is_exact(probability: float) -> None:
    torch.manual_seed(0)
    inputs = random_inputs(50, 60)
    outputs = Dropout(probability)(inputs)
    kept = outputs != 0
    scale = 1 / (1 - round(probability * 256) / 256)
    torch.testing.assert_close(outputs[kept], inputs[kept] * scale, rtol=1e-15, atol=0)


def test_drops_neighbours_independently() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(800_000)) != 0).double()
    for lag in (1, 2, 7, 8):
        correlation = torch.corrcoef(torch.stack([kept[:-lag], kept[lag:]]))[0, 1]
        assert abs(correlation) < 5 / math.sqrt(800_000)


@pytest.mark.parametrize("layer", [Dropout(0.5).eval(), Dropout(0.0)], ids=["eval", "zero"])
def test_is_the_identity_in_evaluation_and_at_0(layer: Dropout) -> None:
    inputs = random_inputs(4, 5)
    assert layer(inputs) is inputs


def test_gradient_has_the_mask_of_the_outputs() -> None:
    torch.manual_seed(0)
    inputs = random_inputs(40, 5).requires_grad_()
    outputs = Dropout(0.3)(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad * inputs.detach(), outputs.detach())


def test_follows_torchs_seed() -> None:
    layer, inputs = Dropout(0.4), torch.ones(3, 4, 5)
    torch.manual_seed(1)
    first, second = layer(inputs), layer(inputs)
    torch.manual_seed(1)
    assert torch.equal(layer(inputs), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("shape", [(0, 4), (1,), (3, 5), (2, 3, 7)])
def test_keeps_any_shape_and_type(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        outputs = Dropout(0.5)(torch.ones(shape, dtype=dtype))
        assert (outputs.shape, outputs.dtype) == (shape, dtype)
