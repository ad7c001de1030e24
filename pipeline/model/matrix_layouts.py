"""Layouts of matrices in which CPUs multiply them faster: aligned rows, or rows of whole tiles.

float32 (MKL, AVX2): what is written must be aligned, what is read need not be. A product
(4, 2048, 390) x (4, 390, 390) took 25 ms on two cores into rows that follow one another and 17 ms
into rows of 400 numbers of which 390 are used.

bfloat16 (oneDNN, AMX): it multiplies in tiles of 16 columns, and copies operands whose rows do not
follow one another. That product took 6.4 ms, into such rows 5.8, and 2.6 where all matrices were
filled up with zeros to 400 columns.

Criteo's 39 fields of 10 columns are such a width. All of it is of CPUs; a compiler chooses layouts
itself, and takes none to write into.
"""

from typing import Any

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

from pipeline.model.compute_type import compute_type

ROW_BYTES = 64
TILE_COLUMNS = 16
# Narrower rows gain nothing.
LEAST_COLUMNS = 128


def empty_aligned(like: torch.Tensor, *shape: int) -> torch.Tensor:
    """(..., columns) of the type of ``like``, for wide rows a view of some that are longer."""
    *outer, columns = shape
    if _others_choose(like) or like.dtype == torch.bfloat16 or columns < LEAST_COLUMNS:
        return like.new_empty(shape)
    unit = ROW_BYTES // like.element_size()
    return like.new_empty(*outer, -(-columns // unit) * unit)[..., :columns]


def tiled_columns(columns: int, like: torch.Tensor) -> int:
    """How many columns a matrix should be filled up to, in the type that ``like`` computes in."""
    if _others_choose(like) or compute_type(like) != torch.bfloat16 or columns < LEAST_COLUMNS:
        return columns
    return -(-columns // TILE_COLUMNS) * TILE_COLUMNS


def filled_up(matrices: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """(M, some rows, some columns), with zeros up to (M, rows, columns) and in the type to compute.

    Matrices of that shape stay as they are.
    """
    if matrices.shape[1:] == (rows, columns):
        return matrices
    filled: torch.Tensor = _FilledUp.apply(matrices, compute_type(matrices), rows, columns)
    return filled


class _FilledUp(torch.autograd.Function):
    """Fills up and changes the type in one pass, forward and backward."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, matrices: torch.Tensor, kind: torch.dtype, rows: int, columns: int
    ) -> torch.Tensor:
        ctx.given = matrices.shape, matrices.dtype  # type: ignore[attr-defined]
        filled = matrices.new_zeros(len(matrices), rows, columns, dtype=kind)
        filled[:, : matrices.shape[1], : matrices.shape[2]] = matrices
        return filled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (_, rows, columns), kind = ctx.given
        return gradient[:, :rows, :columns].to(kind), None, None, None


def product_over_rows(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """sum_b l_b r_b^T: (M, B, in), (M, B, out) -> (M, in, out).

    For bfloat16 on CPUs the left side is transposed first: with the copy (4, 2048, 400) twice took
    5.8 ms, without it 7.2.
    """
    turned = left.mT
    if left.dtype == torch.bfloat16 and not _others_choose(left):
        turned = turned.contiguous()
    return torch.bmm(turned, right)


def sum_with_product(
    summand: torch.Tensor, left: torch.Tensor, right: torch.Tensor, out: torch.Tensor
) -> torch.Tensor:
    """The product of left and right, added to the summand.

    For bfloat16 on CPUs the product is made first: torch copies the summand for oneDNN to add to.
    (4, 2048, 400) x (4, 400, 400) and a bias took 4.7 ms so and 4.1 in this way, with a summand of
    full size 5.0 and 4.1. MKL's float32 is faster with both in one.

    Args:
        summand: (M, B, out) or (M, 1, out).
        left: (M, B, in).
        right: (M, in, out).
        out: (M, B, out), may be the summand.
    """
    if left.dtype == torch.bfloat16 and not _others_choose(left):
        return torch.add(torch.bmm(left, right), summand, out=out)
    return torch.baddbmm(summand, left, right, out=out)


def _others_choose(like: torch.Tensor) -> bool:
    """Whether layouts are left to a compiler, or to another device's library."""
    return like.device.type != "cpu" or torch.compiler.is_compiling()
