"""Batches of embeddings that the tests of regularisers share."""

import torch
from hypothesis import strategies as st
from torch import Tensor

# Sets, rows, fields, columns; more rows than columns.
SHAPES = st.tuples(st.integers(2, 4), st.integers(8, 12), st.integers(1, 4), st.integers(2, 6))


def batch(sets: int, rows: int, fields: int, columns: int, dtype: torch.dtype) -> Tensor:
    """Random embeddings (M, B, F, C) whose columns have other scales and means each."""
    generator = torch.Generator().manual_seed(sets + 10 * rows + 100 * fields + 1000 * columns)
    values = torch.randn(sets, rows, fields, columns, generator=generator, dtype=torch.float64)
    scales = torch.rand(sets, 1, fields, columns, generator=generator, dtype=torch.float64)
    return (scales * (values + 0.3)).to(dtype)


def double(*shape: int) -> Tensor:
    """A float64 batch that wants a gradient."""
    sets, rows, fields, columns = shape
    return batch(sets, rows, fields, columns, torch.float64).requires_grad_()


def orthonormal(sets: int, rows: int, fields: int, columns: int) -> Tensor:
    """A batch in which every field has orthonormal columns."""
    values = double(sets, rows, fields, columns).detach().transpose(1, 2)
    return torch.linalg.qr(values).Q.transpose(1, 2)
