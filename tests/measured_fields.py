"""Fields measured from matrices at hand, every row as frequent as every other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.diagnostics.collapse import FieldCollapse, analyse_field
from pipeline.diagnostics.field_gram import field_gram


def random_matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    """Of the normal distribution; equal seeds give equal matrices."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def measured_field(name: str, sets: Sequence[Tensor]) -> FieldCollapse:
    return analyse_field(field_gram(name, sets, torch.ones(len(sets[0]))))
