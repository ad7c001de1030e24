"""Makes the interaction of a group."""

import torch

from pipeline.model.interactions.interaction import Interaction
from pipeline.registry import load_component
from pipeline.spec_model import GroupSpec, ModelSpec


def build_interaction(fields: int, group: GroupSpec, spec: ModelSpec) -> Interaction:
    """The interaction that the group names; one for all its sets where the spec says so."""
    if spec.shared_interaction:
        return SharedInteraction(fields, group, spec)
    return _built(fields, group, spec)


def _built(fields: int, group: GroupSpec, spec: ModelSpec) -> Interaction:
    return load_component("interaction", group.interaction, Interaction)(fields, group, spec)


class SharedInteraction(Interaction):
    """One interaction for all sets of a group, projection included (Figures 10c and 10d).

    The sets' rows pass through it as M x B rows of one set; batch statistics are of all of them.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.interaction = _built(fields, group.model_copy(update={"sets": 1}), spec)
        self._sets = group.sets
        self.tower, self.streams = self.interaction.tower, self.interaction.streams

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, C) -> (M, B, H)."""
        rows = self.interaction(embeddings.flatten(0, 1).unsqueeze(0))
        return rows.squeeze(0).unflatten(0, embeddings.shape[:2])

    def penalty(self) -> torch.Tensor | None:
        """That of the one interaction."""
        return self.interaction.penalty()

    def block_norms(self) -> torch.Tensor | None:
        """Those of the one interaction, M = 1."""
        return self.interaction.block_norms()

    def sub_embedding_maps(self, field: int) -> torch.Tensor | None:
        """Those of the one interaction, the same for every set."""
        maps = self.interaction.sub_embedding_maps(field)
        return None if maps is None else maps.expand(self._sets, -1, -1, -1)
