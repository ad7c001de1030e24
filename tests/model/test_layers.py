import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from pipeline.model.batch_norm import SetBatchNorm
from pipeline.model.layers import (
    Dropout,
    HiddenBlock,
    SetLayerNorm,
    SetLinear,
    set_normalization,
)
from pipeline.spec_model import Normalization

SETS, ROWS, WIDTH = 3, 7, 5


def random_inputs(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3 + 1


def randomize(module: nn.Module) -> nn.Module:
    """Draws every parameter anew, so that no scale is 1 and no bias 0."""
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(random_inputs(*parameter.shape, seed=10 + number))
    return module


def singles_of(layer: SetBatchNorm, features: int) -> list[nn.BatchNorm1d]:
    """One BatchNorm1d a set, with the layer's weights."""
    singles = []
    for weight, bias in zip(layer.weight, layer.bias, strict=True):
        single = nn.BatchNorm1d(features).double()
        single.weight.data, single.bias.data = weight[0].clone(), bias[0].clone()
        singles.append(single)
    return singles


class TestSetBatchNorm:
    def test_is_torchs_batch_norm_for_every_set_over_steps_of_training(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        assert isinstance(layer, SetBatchNorm)
        singles = singles_of(layer, WIDTH)
        for step in range(4):
            inputs = random_inputs(SETS, ROWS + step, WIDTH, seed=step)
            expected = torch.stack([s(x) for s, x in zip(singles, inputs, strict=True)])
            torch.testing.assert_close(layer(inputs), expected, rtol=0, atol=1e-10)
        means = torch.stack([single.running_mean for single in singles])
        variances = torch.stack([single.running_var for single in singles])
        torch.testing.assert_close(layer.running_mean[:, 0], means, rtol=1e-12, atol=0)
        torch.testing.assert_close(layer.running_var[:, 0], variances, rtol=1e-12, atol=0)

    def test_evaluates_with_the_running_statistics(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        assert isinstance(layer, SetBatchNorm)
        singles = singles_of(layer, WIDTH)
        seen, inputs = random_inputs(SETS, ROWS, WIDTH), random_inputs(SETS, 1, WIDTH, seed=1)
        layer(seen)
        layer.eval()
        for place, single in enumerate(singles):
            single(seen[place])
            expected = single.eval()(inputs[place])
            torch.testing.assert_close(layer(inputs)[place], expected, rtol=0, atol=1e-12)

    def test_evaluation_changes_no_statistic(self) -> None:
        layer = SetBatchNorm(SETS, WIDTH).eval()
        layer(random_inputs(SETS, ROWS, WIDTH).float())
        assert torch.equal(layer.running_mean, torch.zeros(SETS, 1, WIDTH))
        assert torch.equal(layer.running_var, torch.ones(SETS, 1, WIDTH))

    def test_has_the_gradients_of_torchs_batch_norm(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        assert isinstance(layer, SetBatchNorm)
        inputs = random_inputs(SETS, ROWS, WIDTH).requires_grad_()
        weights = random_inputs(SETS, ROWS, WIDTH, seed=1)
        ours = torch.autograd.grad(
            (layer(inputs) * weights).sum(), [inputs, layer.weight, layer.bias]
        )
        for place, single in enumerate(singles_of(layer, WIDTH)):
            theirs = torch.autograd.grad(
                (single(inputs[place]) * weights[place]).sum(),
                [inputs, single.weight, single.bias],
            )
            for our, their in zip(ours, (theirs[0][place], *theirs[1:]), strict=True):
                torch.testing.assert_close(our[place].squeeze(), their, rtol=0, atol=1e-10)

    def test_bfloat16_rows_have_the_gradients_of_the_same_numbers_in_float64(self) -> None:
        layer, exact = SetBatchNorm(SETS, WIDTH), SetBatchNorm(SETS, WIDTH).double()
        inputs = random_inputs(SETS, 500, WIDTH).bfloat16()
        weights = random_inputs(SETS, 500, WIDTH, seed=1).bfloat16()
        found = []
        for norm, kind in ((layer, torch.bfloat16), (exact, torch.float64)):
            rows = inputs.to(kind, copy=True).requires_grad_()
            (norm(rows) * weights.to(kind)).sum().backward()
            found.append((rows.grad, norm.weight.grad, norm.bias.grad))
        for ours, theirs in zip(*found, strict=True):
            # bf16 keeps 8 bits of the outputs and of the gradients.
            atol = 2**-7 * theirs.abs().max().item()
            torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=atol)

    def test_rows_that_do_not_follow_one_another_are_the_same_rows(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        inputs = random_inputs(SETS, ROWS, WIDTH + 3)[..., :WIDTH]
        torch.testing.assert_close(layer(inputs), layer(inputs.contiguous()), rtol=0, atol=0)

    def test_the_variance_of_equal_rows_is_0(self) -> None:
        layer = SetBatchNorm(SETS, WIDTH)
        layer(torch.full((SETS, ROWS, WIDTH), 0.1))
        torch.testing.assert_close(layer.running_var, torch.full((SETS, 1, WIDTH), 0.9))

    def test_a_gradient_of_its_gradient_is_refused_since_it_would_be_wrong(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        inputs = random_inputs(SETS, ROWS, WIDTH).requires_grad_()
        outputs = layer(inputs).square().sum()
        (gradient,) = torch.autograd.grad(outputs, inputs, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.square().sum().backward()

    def test_one_row_becomes_the_bias(self) -> None:
        layer = randomize(SetBatchNorm(SETS, WIDTH).double())
        outputs = layer(random_inputs(SETS, 1, WIDTH))
        torch.testing.assert_close(outputs, layer.bias.data, rtol=0, atol=1e-10)

    def test_one_row_leaves_the_running_statistics_alone(self) -> None:
        layer = SetBatchNorm(SETS, WIDTH)
        layer(random_inputs(SETS, ROWS, WIDTH).float())
        before = [buffer.clone() for buffer in layer.buffers()]
        layer(random_inputs(SETS, 1, WIDTH, seed=1).float())
        for statistic, kept in zip(layer.buffers(), before, strict=True):
            assert torch.equal(statistic, kept)

    def test_keeps_float32_statistics_of_bfloat16_rows(self) -> None:
        layer = SetBatchNorm(1, WIDTH)
        rows = random_inputs(1, 500, WIDTH).bfloat16()
        layer(rows)
        expected = 0.1 * rows.double().mean(dim=1, keepdim=True)
        torch.testing.assert_close(layer.running_mean.double(), expected, rtol=1e-5, atol=1e-6)


class Meeting:
    """Averages what the ranks, threads here, bring to it; each call waits for all of them."""

    def __init__(self, ranks: int) -> None:
        self._barrier = threading.Barrier(ranks, timeout=30)
        self._brought: dict[int, Tensor] = {}

    def average(self, rank: int, statistics: Tensor) -> Tensor:
        self._brought[rank] = statistics
        self._barrier.wait()
        mean = torch.stack([self._brought[r] for r in sorted(self._brought)]).mean(dim=0)
        self._barrier.wait()
        return mean


def run_as_ranks(layers: list[SetBatchNorm], inputs: Tensor, weights: Tensor) -> list[Tensor]:
    """Runs each layer on its share of the rows as one rank would.

    Returns the outputs and the gradient of their sum weighted with ``weights`` by the inputs, both
    of all rows, and the sum over ranks of the gradients by the layer's weight and bias.
    """
    ranks = len(layers)
    meeting = Meeting(ranks)
    shares = zip(inputs.chunk(ranks, dim=1), weights.chunk(ranks, dim=1), strict=True)

    def run(rank: int, rows: Tensor, row_weights: Tensor) -> list[Tensor]:
        layer, rows = layers[rank], rows.detach().requires_grad_()
        layer.average, layer.ranks = partial(meeting.average, rank), ranks
        outputs = layer(rows)
        loss = (outputs * row_weights).sum()
        return [outputs.detach(), *torch.autograd.grad(loss, [rows, layer.weight, layer.bias])]

    with ThreadPoolExecutor(ranks) as threads:
        work = [threads.submit(run, rank, *share) for rank, share in enumerate(shares)]
        outputs, by_inputs, by_weight, by_bias = zip(*(done.result() for done in work), strict=True)
    return [torch.cat(outputs, 1), torch.cat(by_inputs, 1), sum(by_weight), sum(by_bias)]


def synchronized_layers(ranks: int) -> list[SetBatchNorm]:
    """The same layer on every rank."""
    return [
        randomize(SetBatchNorm(1, WIDTH, synchronized=True).double())  # type: ignore[misc]
        for _ in range(ranks)
    ]


class TestSynchronizedBatchNorm:
    @pytest.mark.parametrize("ranks", [1, 2, 3])
    def test_of_shares_is_batch_norm_of_the_whole(self, ranks: int) -> None:
        layers = synchronized_layers(ranks)
        (whole,) = singles_of(layers[0], WIDTH)
        inputs = random_inputs(1, ranks * ROWS, WIDTH).requires_grad_()
        weights = random_inputs(1, ranks * ROWS, WIDTH, seed=1)
        expected = whole(inputs[0])[None]
        gradients = torch.autograd.grad(
            (expected * weights).sum(), [inputs, whole.weight, whole.bias]
        )
        found = run_as_ranks(layers, inputs, weights)
        for ours, theirs in zip(found, [expected, *gradients], strict=True):
            torch.testing.assert_close(ours.flatten(), theirs.flatten(), rtol=0, atol=1e-10)

    def test_leaves_every_rank_with_the_running_statistics_of_the_whole(self) -> None:
        layers = synchronized_layers(2)
        (whole,) = singles_of(layers[0], WIDTH)
        for step in range(3):
            inputs = random_inputs(1, 2 * ROWS, WIDTH, seed=step)
            run_as_ranks(layers, inputs, torch.ones_like(inputs))
            whole(inputs[0])
        assert whole.running_mean is not None
        assert whole.running_var is not None
        for layer in layers:
            mean, variance = layer.running_mean.flatten(), layer.running_var.flatten()
            torch.testing.assert_close(mean, whole.running_mean, rtol=1e-12, atol=0)
            torch.testing.assert_close(variance, whole.running_var, rtol=1e-12, atol=0)

    def test_stays_finite_where_the_mean_dwarfs_the_spread(self) -> None:
        layers = [SetBatchNorm(1, 64, synchronized=True) for _ in range(2)]
        base = torch.linspace(900, 1100, 64).expand(1, ROWS, 64)
        inputs = torch.cat([base, base * (1 + 1e-6)], dim=1)
        assert all(part.isfinite().all() for part in run_as_ranks(layers, inputs, inputs))


class TestSetLayerNorm:
    def test_is_torchs_layer_norm_for_every_set(self) -> None:
        layer = randomize(SetLayerNorm(SETS, WIDTH).double())
        inputs = random_inputs(SETS, ROWS, WIDTH)
        for place in range(SETS):
            single = nn.LayerNorm(WIDTH).double()
            single.weight.data = layer.weight[place, 0]
            single.bias.data = layer.bias[place, 0]
            expected = single(inputs[place])
            torch.testing.assert_close(layer(inputs)[place], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("layer", SetLayerNorm), ("none", nn.Identity), ("batch", SetBatchNorm)],
)
def test_normalization_is_chosen_by_name(kind: Normalization, expected: type) -> None:
    assert type(set_normalization(kind, SETS, WIDTH)) is expected


def test_only_synchronized_batch_asks_for_an_average() -> None:
    marks = [
        layer.synchronized
        for kind in ("batch", "synchronized_batch")
        if isinstance(layer := set_normalization(kind, SETS, WIDTH), SetBatchNorm)
    ]
    assert marks == [False, True]


@pytest.mark.parametrize(
    ("normalization", "has_bias"),
    [("batch", False), ("synchronized_batch", False), ("layer", True), ("none", True)],
)
def test_hidden_block_has_a_bias_where_normalization_does_not_subtract_it(
    normalization: Normalization, has_bias: bool
) -> None:
    linear = HiddenBlock(SETS, WIDTH, 4, normalization, 0.0)[0]
    assert (linear.bias is not None) == has_bias


def test_batch_norm_subtracts_any_bias_before_it() -> None:
    layer = randomize(SetBatchNorm(SETS, WIDTH).double())
    inputs, bias = random_inputs(SETS, ROWS, WIDTH), random_inputs(SETS, 1, WIDTH, seed=1)
    torch.testing.assert_close(layer(inputs + bias), layer(inputs), rtol=0, atol=1e-12)


def test_hidden_block_is_linear_normalization_relu_dropout() -> None:
    block = HiddenBlock(SETS, WIDTH, 4, "batch", 0.25)
    kinds = [type(layer) for layer in block]
    assert kinds == [SetLinear, SetBatchNorm, nn.ReLU, Dropout]
    assert block(torch.ones(SETS, ROWS, WIDTH)).shape == (SETS, ROWS, 4)
