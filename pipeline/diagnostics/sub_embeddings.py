"""Sub-embeddings: what of a field's embedding meets each other field, and how far it collapses.

DCNv2's first layer and FFM give a field i a sub-embedding towards every field j, the rows of E_i
after the map W_(i->j) that is applied before the product with e_j. Evidence I of the paper: its
information abundance follows that of both E_i and E_j, so a field that meets fields of low
information abundance is drawn down with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.diagnostics.spectrum import information_abundance, singular_values


@dataclass(frozen=True, eq=False)
class SubEmbeddings:
    """Information abundance of the sub-embeddings of all ordered pairs of fields.

    Attributes:
        fields: names, by falling information abundance of their embeddings.
        field_abundance: (F,) IA(E_i), in that order.
        abundance: (F, F) IA(E_(i->j)), all sets side by side; row i, column j, in that order.
    """

    fields: tuple[str, ...]
    field_abundance: NDArray[np.float64]
    abundance: NDArray[np.float64]

    def of(self, field: str, other: str) -> float:
        """IA(E_(i->j)) by the fields' names."""
        return float(self.abundance[self.fields.index(field), self.fields.index(other)])

    @property
    def row_sums(self) -> NDArray[np.float64]:
        """(F,) sum_j IA(E_(i->j)): of each field's own sub-embeddings (paper, Figure 3)."""
        return self.abundance.sum(axis=1)

    @property
    def column_sums(self) -> NDArray[np.float64]:
        """(F,) sum_i IA(E_(i->j)): of all sub-embeddings that meet field j (paper, Figure 3)."""
        return self.abundance.sum(axis=0)

    @property
    def correlation(self) -> float:
        """Pearson's, of the column sums with IA(E_j) (paper, Figure 9).

        nan where either is constant. The paper has 0.68 for a single embedding of DCNv2 on Criteo
        and 0.52 for multi-embedding: how strongly a field's collapse passes on to those it meets.
        """
        if np.ptp(self.column_sums) == 0 or np.ptp(self.field_abundance) == 0:
            return float("nan")
        return float(np.corrcoef(self.column_sums, self.field_abundance)[0, 1])


def sub_embedding_abundance(gram: Tensor, maps: Tensor) -> Tensor:
    """Information abundance of one field's sub-embeddings, from its Gram matrix.

    With P_j = diag(W^(1)_(i->j), .., W^(M)_(i->j)) the sub-embeddings of all sets side by side are
    [E^(1) .. E^(M)] P_j, and their Gram matrix is P_j^T G P_j.

    Args:
        gram: (M C, M C) float64, of the field's sets side by side.
        maps: (M, F, C, K), that take a set's row (C,) to the K numbers that meet field j.

    Returns:
        (F,) float64; 0 for a sub-embedding that is zero.
    """
    sets, _, columns, _ = maps.shape
    blocks = gram.view(sets, columns, sets, columns)
    maps = maps.to(gram)
    grams = torch.einsum("mjac,manb,njbd->jmcnd", maps, blocks, maps).flatten(3, 4).flatten(1, 2)
    of_each = [information_abundance(values) for values in singular_values(grams)]
    return torch.tensor(of_each, dtype=torch.float64)


def sorted_sub_embeddings(
    fields: Iterable[str], field_abundance: Iterable[float], abundance: Iterable[Tensor]
) -> SubEmbeddings:
    """Puts the fields in the paper's order, by falling IA(E_i).

    Args:
        fields: F names in the model's order.
        field_abundance: IA(E_i) of each.
        abundance: of each field ``sub_embedding_abundance``, (F,).
    """
    names, of_fields = list(fields), np.array(list(field_abundance))
    of_pairs = torch.stack(list(abundance)).cpu().numpy()
    order = np.argsort(-of_fields, kind="stable")
    return SubEmbeddings(
        fields=tuple(names[place] for place in order),
        field_abundance=of_fields[order],
        abundance=of_pairs[np.ix_(order, order)],
    )
