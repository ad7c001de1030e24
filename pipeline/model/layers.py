"""Layers that treat M sets at once, inputs and outputs (M, B, features).

Each set has weights of its own, and one batched operation serves them all.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.aligned_rows import empty_aligned
from pipeline.model.compute_type import compute_type
from pipeline.spec_model import Normalization


class SetLinear(nn.Module):
    """y_m = x_m W_m + b_m for every set m: (M, B, in) -> (M, B, out).

    Starts as ``torch.nn.Linear`` does: uniform within 1 / sqrt(in).
    """

    def __init__(self, sets: int, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(sets, in_features, out_features))
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = nn.Parameter(torch.empty(sets, 1, out_features)) if bias else None
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(M, B, in) -> (M, B, out)."""
        if inputs.device.type == "cpu" and not torch.compiler.is_compiling():
            return _AlignedLinear.apply(inputs, self.weight, self.bias)
        if self.bias is None:
            return torch.bmm(inputs, self.weight)
        return torch.baddbmm(self.bias, inputs, self.weight)


class _AlignedLinear(torch.autograd.Function):
    """x W + b whose outputs, and whose gradient by x, have aligned rows (``aligned_rows``)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        kind = compute_type(given)
        inputs, matrices = given.to(kind), weight.to(kind)
        ctx.save_for_backward(inputs, matrices)
        ctx.kinds = given.dtype, weight.dtype  # type: ignore[attr-defined]
        outputs = empty_aligned(inputs, *inputs.shape[:2], weight.shape[2])
        if bias is None:
            return torch.bmm(inputs, matrices, out=outputs)
        return torch.baddbmm(bias.to(kind), inputs, matrices, out=outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, matrices = ctx.saved_tensors
        kind, of_parameters = ctx.kinds
        of_inputs = of_bias = None
        if ctx.needs_input_grad[0]:
            of_inputs = empty_aligned(inputs, *inputs.shape)
            of_inputs = torch.bmm(gradient, matrices.mT, out=of_inputs).to(kind)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=1, keepdim=True, dtype=of_parameters)
        return of_inputs, torch.bmm(inputs.mT, gradient).to(of_parameters), of_bias


Average = Callable[[torch.Tensor], torch.Tensor]


class _BatchNormalize(torch.autograd.Function):
    """Normalises over the rows, in few passes over memory.

    Composed of torch's operations it took 61 ms forward and backward for (4, 2048, 400) on one
    core, torch.var_mean alone 27; this takes 20.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        eps: float,
        average: Average,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean = average(inputs.mean(dim=1, keepdim=True, dtype=weight.dtype))
        centred = inputs - mean
        variance = average(centred.square().mean(dim=1, keepdim=True))
        inverse_deviation = torch.rsqrt(variance + eps)
        ctx.save_for_backward(centred, inverse_deviation, weight)
        ctx.average = average  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(mean, variance)
        outputs = torch.addcmul(bias, centred, weight * inverse_deviation)
        return outputs.to(inputs.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: torch.Tensor, *_: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        centred, inverse_deviation, weight = ctx.saved_tensors
        rows = gradient.shape[1]
        mean_gradient = gradient.mean(dim=1, keepdim=True, dtype=weight.dtype)
        mean_product = (gradient * centred).mean(dim=1, keepdim=True)
        scale = weight * inverse_deviation
        slope = -scale * inverse_deviation.square() * ctx.average(mean_product)
        inputs = torch.addcmul(-scale * ctx.average(mean_gradient), centred, slope)
        inputs.addcmul_(gradient, scale)
        weight_gradient = rows * mean_product * inverse_deviation
        return inputs.to(gradient.dtype), weight_gradient, rows * mean_gradient, None, None


def _own(statistics: torch.Tensor) -> torch.Tensor:
    """The statistics of the rows at hand, as they are."""
    return statistics


class SetBatchNorm(nn.Module):
    """Batch normalisation of each set and feature over the rows (Ioffe & Szegedy, 2015).

    As ``torch.nn.BatchNorm1d``: eps 1e-5, momentum 0.1, running variance unbiased. One row, such as
    a rank may have of a last short batch, becomes the bias and leaves the running statistics alone,
    since it has no variance; torch refuses it.

    Attributes:
        synchronized: whether the statistics are to be those of the global batch.
        average: averages statistics over ranks whose batches are equally long. Sharding sets it
            where ``synchronized``; otherwise a rank's statistics are its own rows'.
        ranks: the number of ranks that ``average`` averages over.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, sets: int, features: int, synchronized: bool = False) -> None:
        super().__init__()
        self.synchronized = synchronized
        self.average: Average = _own
        self.ranks = 1
        self.eps, self.momentum = 1e-5, 0.1
        self.weight = nn.Parameter(torch.ones(sets, 1, features))
        self.bias = nn.Parameter(torch.zeros(sets, 1, features))
        self.register_buffer("running_mean", torch.zeros(sets, 1, features))
        self.register_buffer("running_var", torch.ones(sets, 1, features))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(M, B, features) -> the same shape."""
        if not self.training:
            scale = self.weight * torch.rsqrt(self.running_var + self.eps)
            return torch.addcmul(self.bias - self.running_mean * scale, inputs, scale)
        outputs, mean, variance = _BatchNormalize.apply(
            inputs, self.weight, self.bias, self.eps, self.average
        )
        rows = inputs.shape[1] * self.ranks
        if rows > 1:
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
        return outputs


class SetLayerNorm(nn.Module):
    """Layer normalisation with weights of its own for every set (Ba et al., 2016)."""

    def __init__(self, sets: int, features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sets, 1, features))
        self.bias = nn.Parameter(torch.zeros(sets, 1, features)) if bias else None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(M, B, features) -> the same shape."""
        normal = nn.functional.layer_norm(inputs, inputs.shape[-1:])
        if self.bias is None:
            return normal * self.weight
        return torch.addcmul(self.bias, normal, self.weight)


def set_normalization(kind: Normalization, sets: int, features: int) -> nn.Module:
    """The normalisation that ``model.normalization`` names."""
    if kind == "layer":
        return SetLayerNorm(sets, features)
    if kind == "none":
        return nn.Identity()
    return SetBatchNorm(sets, features, synchronized=kind == "synchronized_batch")


class Dropout(nn.Module):
    """Dropout (Srivastava et al., 2014) whose CPU random numbers cost a byte an element.

    The probability is rounded to a 256th (0.2 to 51/256), 255/256 at the most, and the kept values
    are scaled by what it was rounded to, so that the expectation is exact. ``torch.nn.Dropout``
    draws a float an element, which took 40 ms for 4 x 2048 x 400 on two cores; this takes a
    quarter.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.dropped = min(round(probability * 256), 255)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        if not self.training or self.dropped == 0:
            return inputs
        if inputs.device.type != "cpu":
            return nn.functional.dropout(inputs, self.dropped / 256)
        words = torch.empty(-(-inputs.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        random_bytes = words.view(torch.uint8)[: inputs.numel()].view(inputs.shape)
        kept = (random_bytes >= self.dropped).to(inputs.dtype)
        return inputs * kept.mul_(256 / (256 - self.dropped))


class HiddenBlock(nn.Sequential):
    """Linear, normalisation, ReLU, dropout for every set: (M, B, in) -> (M, B, out).

    Before batch normalisation Linear has no bias. It would be subtracted again, its gradient would
    be rounding error alone, and Adam would make steps of full size of that: the running mean lags
    behind them, which moved the AUC of equal trainings by 1e-3.
    """

    def __init__(
        self,
        sets: int,
        in_features: int,
        out_features: int,
        normalization: Normalization,
        dropout: float,
    ) -> None:
        super().__init__(
            SetLinear(sets, in_features, out_features, bias=normalization in ("layer", "none")),
            set_normalization(normalization, sets, out_features),
            nn.ReLU(),
            Dropout(dropout),
        )
