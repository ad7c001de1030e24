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
        group: its name, such as "4 x 10 dcnv2".
        fields: F names in the model's order, of the fields with ids.
        sub_embeddings: None where fields do not meet by a map of each pair.
        patterns: (M, F, F) the root of the sum over layers of ||W_(i->j)^(m)||_F^2 (Section 5.3,
            Figure 10): which pairs a set's interaction weighs; None where weights are not by pair.
        strengths: (M, F, F) the root of the mean of ||e_j * W_(i->j) e_i||^2 over the values of
            both fields as they occur, each alone: what the first layer makes of a pair, weights and
            embeddings together. Up to a factor that all pairs share; None as above.
    """

    group: str
    fields: tuple[str, ...]
    sub_embeddings: SubEmbeddings | None
    patterns: NDArray[np.float64] | None
    strengths: NDArray[np.float64] | None


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
    own = [_part(gram.plain, gram.widths, sets) for gram in grams]
    names = tuple(gram.name for gram in grams)
    norms = interaction.block_norms()
    patterns = strengths = None
    if norms is not None:
        of_ids = norms.double().sum(dim=0)[:, : len(names), : len(names)]
        patterns = of_ids.sqrt().cpu().numpy()
        weighted = [_part(gram.weighted, gram.widths, sets) for gram in grams]
        strengths = _strengths(interaction, weighted, sets.stop - sets.start)
    sub_embeddings = _sub_embeddings(interaction, names, own)
    return GroupPairs(group, names, sub_embeddings, patterns, strengths)


def _part(gram: torch.Tensor, widths: Sequence[int], sets: slice) -> torch.Tensor:
    """The Gram matrix of some neighbouring sets."""
    start, stop = sum(widths[: sets.start]), sum(widths[: sets.stop])
    return gram[start:stop, start:stop]


def _strengths(
    interaction: Interaction, grams: Sequence[torch.Tensor], sets: int
) -> NDArray[np.float64] | None:
    """From the weighted Gram matrices of every field, (M K, M K).

    Of independent fields the mean of (e_j)_k^2 (W e_i)_k^2 is the product of both means; they are
    on the diagonals of G_j and W G_i W^T.
    """
    squares = []
    blocks = [
        gram.view(sets, len(gram) // sets, sets, -1).diagonal(dim1=0, dim2=2) for gram in grams
    ]
    met = torch.stack([block.diagonal(dim1=0, dim2=1) for block in blocks])
    for place, block in enumerate(blocks):
        maps = interaction.sub_embedding_maps(place)
        if maps is None or maps.shape[2] != maps.shape[3]:
            return None
        maps = maps[:, : len(grams)].to(block)
        taken = torch.einsum("mjck,cdm,mjdk->mjk", maps, block, maps)
        squares.append(torch.einsum("mjk,jmk->mj", taken, met))
    return torch.stack(squares, dim=1).sqrt().cpu().numpy()


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
