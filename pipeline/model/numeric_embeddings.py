"""Dense float fields as embeddings beside those of ids."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.tables import TableGroup

# The order of magnitude of the tables' starting values: a larger one would hide them at first.
START_DEVIATION = 0.01


class NumericEmbeddings(nn.Module):
    """e_j = x_j v_j + b_j for each dense field j and set, with the field's own v_j and b_j.

    x_j is standardised; a missing value is 0, the mean, so its embedding is b_j.
    Gorishniy et al., 'On Embeddings for Numerical Features in Tabular Deep Learning', NeurIPS
    2022, Section 3.2 (linear embedding).
    """

    def __init__(self, fields: int, groups: Sequence[TableGroup]) -> None:
        super().__init__()
        shapes = [(group.sets, fields, group.columns) for group in groups]
        self.slopes = nn.ParameterList(torch.empty(shape) for shape in shapes)
        self.offsets = nn.ParameterList(torch.empty(shape) for shape in shapes)
        for values in (*self.slopes, *self.offsets):
            nn.init.normal_(values, std=START_DEVIATION)

    def forward(
        self, embeddings: Sequence[torch.Tensor], dense: torch.Tensor
    ) -> list[torch.Tensor]:
        """Embeddings of ids (M, B, F, C) by group and numbers (B, D) -> (M, B, F + D, C)."""
        numbers = dense[:, :, None]
        return [
            torch.cat([sets, numbers * slope[:, None] + offset[:, None]], dim=2)
            for sets, slope, offset in zip(embeddings, self.slopes, self.offsets, strict=True)
        ]
