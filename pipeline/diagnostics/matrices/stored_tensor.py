"""A tensor in a file, of which some rows can be read at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FLOATS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """What a file says of one tensor.

    Attributes:
        name: in the file; of a file that holds one tensor without a name, the file's.
        shape: rows first.
        dtype: None for a type that torch has not.
        kind: the type in the file's own words.
        read: gives the rows of a slice, (rows of the slice, ...).
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype | None
    kind: str
    read: Callable[[slice], Tensor]

    @property
    def is_matrix(self) -> bool:
        """Whether it may be an embedding matrix: two dimensions of floating point, not empty."""
        return len(self.shape) == 2 and 0 not in self.shape and self.dtype in FLOATS

    @property
    def is_count(self) -> bool:
        """Whether it may say how often rows occur: one dimension, of numbers."""
        numbers = self.dtype is not None and self.dtype != torch.bool
        return len(self.shape) == 1 and numbers

    def __str__(self) -> str:
        return f"{self.name}  {' x '.join(f'{size:,}' for size in self.shape)}  {self.kind}"
