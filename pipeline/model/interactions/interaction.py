"""What every interaction is: a module vectorised over the M sets of a group."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from pipeline.spec_model import GroupSpec, ModelSpec


class Interaction(nn.Module, ABC):
    """Embeddings of M sets -> M representations: (M, B, F, C) -> (M, B, H).

    The projection holds the non-linearity that keeps M sets from being one wide set (the paper,
    Appendix E). A set reads its own embeddings and weights alone.

    Args:
        fields: F, dense fields included.
        group: M, K and the interaction's name.
        spec: the sizes and settings of all interactions.

    Attributes:
        tower: the name of the tower that follows, in ``registry.py``.
        streams: the widths of the parts that the tower tells apart; together they are H.
    """

    tower: str = "mlp"
    streams: tuple[int, ...]

    @abstractmethod
    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, C), a view of rows that hold all sets side by side -> (M, B, H).

        What needs the numbers of a set in one piece copies them, once, into the layout it reads.
        """

    @staticmethod
    def table_columns(fields: int, embedding_dim: int) -> int:
        """C, the columns of one set's embedding: K, but where an interaction needs several."""
        return embedding_dim

    def penalty(self) -> torch.Tensor | None:
        """A term of the loss, (); None for an interaction that adds none."""
        return None

    def block_norms(self) -> torch.Tensor | None:
        """Squared norms of its weights by set and field pair, the pattern of the interaction.

        Returns:
            (layers, M, F, F), ||W_(i->j)||_F^2 at [l, m, i, j], where W_(i->j) is applied to e_i
            before it meets e_j; None where weights are not by pair.
        """
        return None

    def sub_embedding_maps(self, field: int) -> torch.Tensor | None:
        """What is applied to a field's embedding before its product with each other field's.

        Args:
            field: i, its place.

        Returns:
            (M, F, C, K), W_(i->j) at [m, j]: e_i of set m (C,) times it is what meets e_j; None
            where fields meet otherwise.
        """
        return None
