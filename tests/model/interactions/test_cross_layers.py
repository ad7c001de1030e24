"""DCNv2's cross layers as a compiler sees them."""

import torch

from pipeline.model.interactions.cross_layers import cross


def test_are_compiled_in_one_piece_where_rows_are_wide() -> None:
    given = torch.rand(2, 16, 130)
    weights, biases = [torch.rand(2, 130, 130) / 130], [torch.rand(2, 1, 130)]

    def layers(first: torch.Tensor) -> torch.Tensor:
        return cross(first, weights, [], biases)

    compiled = torch.compile(layers, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(given.requires_grad_()), layers(given))
