"""Layers that treat M sets at once, inputs and outputs (M, B, features).

Each set has weights of its own, and one batched operation serves them all.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.batch_norm import SetBatchNorm
from pipeline.model.compute_type import compute_type
from pipeline.model.matrix_layouts import (
    empty_aligned,
    filled_up,
    product_over_rows,
    sum_with_product,
    tiled_columns,
)
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
            _, rows, columns = inputs.shape
            width = tiled_columns(columns, inputs)
            filled = filled_up(inputs, rows, width)
            weight = filled_up(self.weight, width, self.weight.shape[2])
            return _AlignedLinear.apply(filled, weight, self.bias)
        if self.bias is None:
            return torch.bmm(inputs, self.weight)
        return torch.baddbmm(self.bias, inputs, self.weight)


class _AlignedLinear(torch.autograd.Function):
    """x W + b whose outputs, and whose gradient by x, have aligned rows (``matrix_layouts``)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        kind = compute_type(given)
        inputs, matrices = given.to(kind), weight.to(kind)
        ctx.save_for_backward(inputs, matrices)
        parameters = (weight,) if bias is None else (weight, bias)
        ctx.kinds = [given.dtype, *(tensor.dtype for tensor in parameters)]  # type: ignore[attr-defined]
        outputs = empty_aligned(inputs, *inputs.shape[:2], weight.shape[2])
        if bias is None:
            return torch.bmm(inputs, matrices, out=outputs)
        return sum_with_product(bias.to(kind), inputs, matrices, out=outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, matrices = ctx.saved_tensors
        kind, weight_kind = ctx.kinds[:2]
        of_inputs = of_bias = None
        if ctx.needs_input_grad[0]:
            of_inputs = empty_aligned(inputs, *inputs.shape)
            of_inputs = torch.bmm(gradient, matrices.mT, out=of_inputs).to(kind)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=1, keepdim=True).to(ctx.kinds[2])
        return of_inputs, product_over_rows(inputs, gradient).to(weight_kind), of_bias


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
        # Written as numbers, since a product with truth values takes three times as long.
        kept = torch.ge(random_bytes, self.dropped, out=inputs.new_empty(inputs.shape))
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
