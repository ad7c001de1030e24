"""What the interaction of a group does with pairs of fields: sub-embeddings and patterns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.diagnostics.field_gram import FieldGram
from pipeline.diagnostics.spectrum import information_abundance, singular_values
from pipeline.diagnostics.sub_embeddings import (
    SubEmbeddings,
    sorted_sub_embeddings,
    sub_embedding_abundance,
)
from pipeline.model.interactions.interaction import Interaction


@dataclass(frozen=True, eq=False)
class GroupPairs:
    """The field pairs of one group of sets.

    Attributes:
        group: its name, such as "4 x 10 dcnv2"; no two groups of a model have the same.
        fields: F names in the model's order, of the fields with ids.
        sub_embeddings: None where fields do not meet by a map of each pair.
        patterns: (M, F, F) the root of the sum over layers of ||W_(i->j)^(m)||_F^2 (Section 5.3,
            Figure 10): which pairs a set's interaction weighs; None where weights are not by pair.
    """

    group: str
    fields: tuple[str, ...]
    sub_embeddings: SubEmbeddings | None
    patterns: NDArray[np.float64] | None


@torch.no_grad()
def group_pairs(
    group: str, interaction: Interaction, grams: Sequence[FieldGram], sets: slice
) -> GroupPairs:
    """The pairs of one group.

    Args:
        group: its name.
        interaction: of M sets.
        grams: of every field with ids, all sets of the model side by side.
        sets: which of those the interaction reads.
    """
    own = [_part(gram, sets) for gram in grams]
    names = tuple(gram.name for gram in grams)
    norms = interaction.block_norms()
    patterns = None
    if norms is not None:
        of_ids = norms.double().sum(dim=0)[:, : len(names), : len(names)]
        patterns = of_ids.sqrt().cpu().numpy()
    return GroupPairs(group, names, _sub_embeddings(interaction, names, own), patterns)


def _part(gram: FieldGram, sets: slice) -> torch.Tensor:
    """The Gram matrix of some neighbouring sets."""
    start, stop = sum(gram.widths[: sets.start]), sum(gram.widths[: sets.stop])
    return gram.plain[start:stop, start:stop]


def _sub_embeddings(
    interaction: Interaction, names: tuple[str, ...], grams: Sequence[torch.Tensor]
) -> SubEmbeddings | None:
    found = []
    for place, gram in enumerate(grams):
        maps = interaction.sub_embedding_maps(place)
        if maps is None:
            return None
        found.append(sub_embedding_abundance(gram, maps[:, : len(names)].cpu()))
    of_fields = [information_abundance(singular_values(gram)) for gram in grams]
    return sorted_sub_embeddings(names, of_fields, found)
