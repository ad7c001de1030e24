"""Batch normalisation of ranks that run: two processes over gloo, in float64."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import run_ranks
from torch import Tensor, nn

from pipeline.model.batch_norm import SetBatchNorm

HERE = Path(__file__).parent
RANKS, STEPS, SETS, ROWS, FEATURES = 2, 3, 2, 12, 5


def random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 2 + 1


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    layer = SetBatchNorm(SETS, FEATURES).double()
    layer.weight.data = random(SETS, 1, FEATURES, seed=1)
    layer.bias.data = random(SETS, 1, FEATURES, seed=2)
    return {
        "rows": random(STEPS, SETS, ROWS, FEATURES, seed=3),
        "weights": random(STEPS, SETS, ROWS, FEATURES, seed=4),
        "layer": layer.state_dict(),
    }


@pytest.fixture(scope="module")
def found(
    given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, list[Any]]]:
    """What each of two processes wrote."""
    folder = tmp_path_factory.mktemp("batch_norm")
    torch.save(given, folder / "inputs.pt")
    run_ranks(HERE / "batch_norm_rank.py", [folder], RANKS)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)]


def whole_layers(given: dict[str, Any]) -> list[nn.BatchNorm1d]:
    """torch's layer for each set, which sees all rows."""
    layers = []
    for scale, shift in zip(given["layer"]["weight"], given["layer"]["bias"], strict=True):
        layer = nn.BatchNorm1d(FEATURES).double()
        layer.weight.data, layer.bias.data = scale[0].clone(), shift[0].clone()
        layers.append(layer)
    return layers


def test_two_processes_normalise_as_one_layer_over_the_rows_of_both(
    given: dict[str, Any], found: list[dict[str, list[Any]]]
) -> None:
    layers = whole_layers(given)
    for step in range(STEPS):
        of_ranks = [rank["steps"][step] for rank in found]
        outputs, by_rows = (torch.cat([r[place] for r in of_ranks], dim=1) for place in (0, 1))
        # A rank's gradients by scale and shift are of its own rows; they are averaged like others.
        by_scale, by_shift = (sum(r[place] for r in of_ranks) for place in (2, 3))
        for place, layer in enumerate(layers):
            rows = given["rows"][step, place].clone().requires_grad_()
            expected = layer(rows)
            gradients = torch.autograd.grad(
                (expected * given["weights"][step, place]).sum(), [rows, layer.weight, layer.bias]
            )
            ours = (outputs, by_rows, by_scale, by_shift)
            for our, their in zip(ours, [expected, *gradients], strict=True):
                torch.testing.assert_close(
                    our[place].flatten(), their.flatten(), rtol=0, atol=1e-10
                )


def test_two_processes_remember_the_statistics_of_the_rows_of_both(
    given: dict[str, Any], found: list[dict[str, list[Any]]]
) -> None:
    layers = whole_layers(given)
    for rows in given["rows"]:
        for place, layer in enumerate(layers):
            layer(rows[place])
    for rank in found:
        mean, variance = rank["statistics"]
        for place, layer in enumerate(layers):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            torch.testing.assert_close(mean[place, 0], layer.running_mean, rtol=1e-12, atol=0)
            torch.testing.assert_close(variance[place, 0], layer.running_var, rtol=1e-12, atol=0)
