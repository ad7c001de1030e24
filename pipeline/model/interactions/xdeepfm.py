"""xDeepFM: a compressed interaction network (CIN) beside a DNN."""

import math
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec

# Numbers that the contraction of a block of rows holds. On CPU 8 MiB, so that the block stays in
# the caches and its memory is used again: forward and backward of four sets took 0.50 s of one
# core instead of 0.86 in one piece, whose 200 MiB are new pages every time. Elsewhere 1 GiB.
BLOCK_NUMBERS = {"cpu": 2**21}
BLOCK_NUMBERS_ELSEWHERE = 2**28


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
        right: e, (M, N, F).
        weight: w, (M, F, P, H).

    Returns:
        (M, N, H), in the precision of autocast where that is on.
    """
    device = right.device.type
    if torch.is_autocast_enabled(device):
        precision = torch.get_autocast_dtype(device)
        left, right = left.to(precision), right.to(precision)
    return _PairForms.apply(left, right, weight)


class _PairForms(torch.autograd.Function):
    """Contracts e with w first, one product of matrices, and the result (P, H) of a row with x.

    That result is made anew in the backward pass: of a block of rows it costs less than to keep.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, left: torch.Tensor, right: torch.Tensor, weight: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(left, right, weight)
        maps = weight.shape[3]
        matrix = weight.to(right.dtype).flatten(2)
        rows = _block_rows(weight)
        parts = []
        for x, e in zip(left.split(rows, 1), right.split(rows, 1), strict=True):
            contracted = torch.bmm(e, matrix).view(-1, x.shape[2], maps)
            parts.append(_as_rows(x, contracted))
        return torch.cat(parts, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        left, right, weight = ctx.saved_tensors
        sets, fields, width, maps = weight.shape
        # h before i: a row vector times a matrix is faster than a matrix times a column.
        matrix = weight.to(right.dtype).transpose(2, 3).flatten(2)
        of_matrix = torch.zeros_like(matrix, dtype=weight.dtype)
        of_left, of_right = [], []
        rows = _block_rows(weight)
        blocks = zip(
            *(whole.split(rows, 1) for whole in (left, right, gradient)),
            strict=True,
        )
        for x, e, g in blocks:
            contracted = torch.bmm(e, matrix)
            of_left.append(_as_rows(g, contracted.view(-1, maps, width)))
            torch.mul(g[..., None], x[:, :, None], out=contracted.view(sets, -1, maps, width))
            of_right.append(torch.bmm(contracted, matrix.transpose(1, 2)))
            of_matrix += torch.bmm(e.transpose(1, 2), contracted)
        of_weight = of_matrix.view(sets, fields, maps, width).transpose(2, 3)
        return torch.cat(of_left, dim=1), torch.cat(of_right, dim=1), of_weight


def _as_rows(vectors: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Each row of (M, n, P) times its matrix of (M n, P, H) -> (M, n, H)."""
    products = torch.bmm(vectors.reshape(-1, 1, vectors.shape[2]), matrices)
    return products.view(*vectors.shape[:2], -1)


def _block_rows(weight: torch.Tensor) -> int:
    """Rows of a set in a block."""
    sets, _, width, maps = weight.shape
    numbers = BLOCK_NUMBERS.get(weight.device.type, BLOCK_NUMBERS_ELSEWHERE)
    return max(numbers // (sets * width * maps), 1)
