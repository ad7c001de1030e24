"""Dense float fields as embeddings beside those of ids."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.chosen_places import ChosenPlaces
from pipeline.model.tables import TableGroup

# The order of magnitude of the tables' starting values: a larger one would hide them at first.
START_DEVIATION = 0.01


class NumericEmbeddings(nn.Module):
    """e_j = x_j v_j + b_j for each dense field j and set, with the field's own v_j and b_j.

    x_j is standardised; a missing value is 0, the mean, so its embedding is b_j.
    Gorishniy et al., 'On Embeddings for Numerical Features in Tabular Deep Learning', NeurIPS
    2022, Section 3.2 (linear embedding).

    Args:
        fields: the names of the D dense fields.
        groups: those that have none of these fields come last: the gates' own.
    """

    def __init__(self, fields: Sequence[str], groups: Sequence[TableGroup]) -> None:
        super().__init__()
        chosen = [(group, group.places(fields)) for group in groups]
        shapes = [(group.sets, len(places), group.columns) for group, places in chosen if places]
        self.read = nn.ModuleList(
            nn.Identity() if len(places) == len(fields) else ChosenPlaces(places, dim=1)
            for _, places in chosen
            if places
        )
        self.slopes = nn.ParameterList(torch.empty(shape) for shape in shapes)
        self.offsets = nn.ParameterList(torch.empty(shape) for shape in shapes)
        for values in (*self.slopes, *self.offsets):
            nn.init.normal_(values, std=START_DEVIATION)

    def forward(
        self, embeddings: Sequence[torch.Tensor], dense: torch.Tensor
    ) -> list[torch.Tensor]:
        """Embeddings of ids (M, B, F, C) by group and numbers (B, D) -> (M, B, F + D, C).

        Of F and D those that the group has.
        """
        joined = []
        for sets, read, slope, offset in zip(
            embeddings, self.read, self.slopes, self.offsets, strict=False
        ):
            numeric = read(dense)[:, :, None] * slope[:, None] + offset[:, None]
            joined.append(torch.cat([sets, numeric], dim=2))
        return [*joined, *embeddings[len(joined) :]]
