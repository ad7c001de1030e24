"""DCNv2's cross layers as a compiler sees them, and what they hold."""

import weakref

import pytest
import torch

from pipeline.model.interactions import cross_layers
from pipeline.model.interactions.cross_layers import cross
from pipeline.model.matrix_layouts import empty_aligned


def test_are_compiled_in_one_piece_where_rows_are_wide() -> None:
    given = torch.rand(2, 16, 130)
    weights, biases = [torch.rand(2, 130, 130) / 130], [torch.rand(2, 1, 130)]

    def layers(first: torch.Tensor) -> torch.Tensor:
        return cross(first, weights, [], biases)

    compiled = torch.compile(layers, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(given.requires_grad_()), layers(given))


@pytest.mark.parametrize(("with_gradients", "most"), [(True, 3), (False, 1)])
def test_hold_the_products_of_layers_for_gradients_alone(
    monkeypatch: pytest.MonkeyPatch, with_gradients: bool, most: int
) -> None:
    """``most`` products of earlier layers are there when the last of four is made."""
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def noted(like: torch.Tensor, *shape: int) -> torch.Tensor:
        alive.append(sum(product() is not None for product in made))
        product = empty_aligned(like, *shape)
        made.append(weakref.ref(product))
        return product

    monkeypatch.setattr(cross_layers, "empty_aligned", noted)
    given = torch.rand(2, 3, 4, requires_grad=True)
    weights, biases = [torch.rand(2, 4, 4)] * 4, [torch.rand(2, 1, 4)] * 4
    with torch.set_grad_enabled(with_gradients):
        cross(given, weights, [], biases)
    assert alive == [min(layer, most) for layer in range(4)]


@pytest.mark.parametrize("rank", [0, 20])
def test_wide_layers_in_bfloat16_have_the_outputs_and_gradients_of_float64(rank: int) -> None:
    width, layers = 130, 3
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    given = drawn(2, 40, width, scale=1)
    weights = [drawn(2, rank or width, width, scale=0.05) for _ in range(layers)]
    reductions = [drawn(2, width, rank, scale=0.1) for _ in range(layers if rank else 0)]
    biases = [drawn(2, 1, width, scale=0.1) for _ in range(layers)]
    of_outputs = drawn(2, 40, width, scale=1)
    found = []
    for kind, autocast in ((torch.float32, True), (torch.float64, False)):
        variables = [
            tensor.to(kind, copy=True).requires_grad_()
            for tensor in (given, *weights, *reductions, *biases)
        ]
        first, rest = variables[0], variables[1:]
        of_weights, of_reductions = rest[:layers], rest[layers:-layers]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = cross(first, of_weights, of_reductions, rest[-layers:])
        gradients = torch.autograd.grad(outputs, variables, of_outputs.to(outputs.dtype))
        found.append((outputs.detach(), *gradients))
    for ours, theirs in zip(*found, strict=True):
        # bf16 rounds by up to 2^-9, a few times a layer.
        assert (ours.double() - theirs).norm() <= 0.02 * theirs.norm()
