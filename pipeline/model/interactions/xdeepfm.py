"""xDeepFM: a compressed interaction network (CIN) beside a DNN."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.compute_type import compute_type
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.model.row_blocks import block_rows
from pipeline.spec_model import GroupSpec, ModelSpec


class XDeepFM(Interaction):
    """Two streams: the CIN's maps, summed over K, and a hidden block of the flattened embeddings.

    X^0 = [e_1, .., e_F]; map h of layer l, a K-vector, is
    X^l_h = ReLU(sum_ij w^l_hij (X^(l-1)_i * e_j) + b^l_h), and enters stream 1 as sum_k X^l_hk.
    The layers stand side by side; the CIN's own ReLU makes a projection needless.
    (M, B, F, K) -> (M, B, layers x maps + hidden_dim). Weights start as a 1 x 1 convolution's.
    Lian et al., 'xDeepFM', KDD 2018, Section 3; with ReLU and without a linear part, as in the
    multi-embedding paper's code.
    """

    tower = "xdeepfm"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, layers, maps = group.sets, spec.xdeepfm.layers, spec.xdeepfm.maps
        self.streams = (layers * maps, spec.hidden_dim)
        read = [fields, *[maps] * (layers - 1)]
        # w_hij at [m, j, i, h].
        self.weights = nn.ParameterList(torch.empty(sets, fields, of, maps) for of in read)
        self.biases = nn.ParameterList(torch.empty(sets, 1, maps) for _ in read)
        for of, weight, bias in zip(read, self.weights, self.biases, strict=True):
            bound = 1 / math.sqrt(fields * of)
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)
        width = fields * group.embedding_dim
        self.projection = HiddenBlock(
            sets, width, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, layers x maps + hidden_dim)."""
        deep = self.projection(embeddings.flatten(2))
        # The CIN does the same for every k, so each row and k are a row to it: (M, B K, F).
        first = maps = embeddings.transpose(2, 3).flatten(1, 2)
        by_number = embeddings.shape[1], embeddings.shape[3]
        pooled = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            maps = torch.relu(pair_forms(maps, first, weight) + bias)
            pooled.append(maps.unflatten(1, by_number).sum(dim=2))
        return torch.cat([*(stream.to(deep.dtype) for stream in pooled), deep], dim=2)


def pair_forms(left: torch.Tensor, right: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """y_nh = sum_ij w_jih x_ni e_nj for every set and row n, without a tensor of the pairs.

    Args:
        left: x, (M, N, P).
        right: e, (M, N, F); it may be x itself.
        weight: w, (M, F, P, H).

    Returns:
        (M, N, H), in the precision of autocast where that is on; on CPUs in that of ``right``,
        since products with broadcast numbers take ten times as long there in bfloat16: a step with
        (4, 2048, 39, 10) took 0.65 s on two cores with AMX, and takes 0.39 so.
    """
    same = left is right
    if same:
        # The form is that of the symmetric part, whose gradient is the same from both sides.
        weight = (weight + weight.transpose(1, 2)) / 2
    device = right.device.type
    if device != "cpu":
        right = right.to(compute_type(right))
    left = right if same else left.to(right.dtype)
    with torch.autocast(device, enabled=False):
        return _PairForms.apply(left, right, weight, same)


class _PairForms(torch.autograd.Function):
    """Contracts e with w first, one product of matrices, and the result (P, H) of a row with x.

    That result is made anew in the backward pass: in blocks of rows it costs less than to keep it.
    Forward and backward of the two layers of (4, 2048, 39, 10) took 0.41 s of one core; as torch
    derives it, in one piece of 200 MiB, 0.86.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, left: torch.Tensor, right: torch.Tensor, weight: torch.Tensor, same: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(left, right, weight)
        ctx.same = same  # type: ignore[attr-defined]
        matrix, by_map = weight.to(right.dtype).flatten(2), weight.shape[2:]
        outputs = right.new_empty(*right.shape[:2], weight.shape[3])
        for x, e, to_output in _blocks(weight, left, right, outputs):
            contracted = torch.bmm(e, matrix).unflatten(2, by_map)
            torch.sum(contracted.mul_(x[..., None]), dim=2, out=to_output)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        left, right, weight = ctx.saved_tensors
        turned = weight.to(right.dtype).transpose(2, 3)
        matrix, by_map = turned.flatten(2), turned.shape[2:]
        of_matrix = torch.zeros_like(matrix, dtype=weight.dtype)
        of_left, of_right = torch.empty_like(left), torch.empty_like(right)
        sides = 2 if ctx.same else 1
        for x, e, g, to_left, to_right in _blocks(weight, left, right, gradient, of_left, of_right):
            contracted = torch.bmm(e, matrix)
            by_row = contracted.unflatten(2, by_map)
            torch.sum(by_row.mul_(sides * g[..., None]), dim=2, out=to_left)
            torch.mul(g[..., None], x[:, :, None], out=by_row)
            of_matrix += torch.bmm(e.mT, contracted)
            if not ctx.same:
                # The transpose of this product takes 1.6 times as long.
                to_right.copy_(torch.bmm(matrix, contracted.mT).mT)
        of_weight = of_matrix.unflatten(2, by_map).transpose(2, 3)
        return of_left, None if ctx.same else of_right, of_weight, None


def _blocks(weight: torch.Tensor, *tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Tensors (M, N, ..) in blocks of rows."""
    rows = block_rows(weight[:, 0].numel(), weight.device)
    return zip(*(tensor.split(rows, dim=1) for tensor in tensors), strict=True)
