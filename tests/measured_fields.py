"""Fields measured from matrices at hand, every row as frequent as every other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.diagnostics.collapse import FieldCollapse, analyse_field
from pipeline.diagnostics.field_gram import field_gram


def measured_field(name: str, sets: Sequence[Tensor]) -> FieldCollapse:
    return analyse_field(field_gram(name, sets, torch.ones(len(sets[0]))))
