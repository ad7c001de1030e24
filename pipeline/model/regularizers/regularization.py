"""What ``model.regularization`` adds to the loss."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.regularizers.alignment import interaction_alignment
from pipeline.model.regularizers.decorrelation import decorrelation
from pipeline.model.regularizers.similarity import space_similarity
from pipeline.model.regularizers.singular_values import singular_value_spread
from pipeline.model.regularizers.spectral_balance import spectral_balance
from pipeline.model.tables import TableGroup
from pipeline.spec_model import RegularizationSpec


@dataclass(frozen=True)
class _OfEmbeddings:
    """A regulariser of a group's embeddings, and the sets and columns that it needs."""

    key: str
    function: Callable[[torch.Tensor], torch.Tensor]
    sets: int
    columns: int


_OF_EMBEDDINGS = (
    _OfEmbeddings("space_similarity", space_similarity, sets=2, columns=1),
    _OfEmbeddings("singular_value_spread", singular_value_spread, sets=1, columns=2),
    _OfEmbeddings("decorrelation", decorrelation, sets=1, columns=2),
    _OfEmbeddings("spectral_balance", spectral_balance, sets=1, columns=2),
)


class Regularization:
    """The weighted terms; of a mixture, each one's mean over the groups that it applies to.

    Args:
        spec: the weights; 0 is off.
        tables: the sizes of the experts' embeddings.
        interactions: those of the groups.

    Raises:
        InputError: a regulariser that is on applies to no group.
    """

    def __init__(
        self,
        spec: RegularizationSpec,
        tables: Sequence[TableGroup],
        interactions: Iterable[nn.Module],
    ) -> None:
        self._of_embeddings = []
        for kind in _OF_EMBEDDINGS:
            weight = getattr(spec, kind.key)
            if weight:
                self._of_embeddings.append((weight, kind, _applicable(kind, tables)))
        self._alignment = spec.interaction_alignment
        if self._alignment and not _comparable_norms(interactions):
            raise InputError(
                "model.regularization.interaction_alignment: no group has several sets, each with "
                "weights by pair of fields as DCNv2 has them; set it to 0"
            )

    def terms(
        self, embeddings: Sequence[torch.Tensor], interactions: Iterable[nn.Module]
    ) -> list[torch.Tensor]:
        """What is added to the loss, () each.

        Args:
            embeddings: (M, B, F, C) for each of ``tables``, of the fields with ids.
            interactions: those of the groups.
        """
        found = [
            weight * _mean([kind.function(embeddings[place]) for place in places])
            for weight, kind, places in self._of_embeddings
        ]
        if self._alignment:
            norms = _comparable_norms(interactions)
            found.append(self._alignment * _mean(list(map(interaction_alignment, norms))))
        return found


def _applicable(kind: _OfEmbeddings, tables: Sequence[TableGroup]) -> list[int]:
    """The places of the groups that are large enough."""
    places = [
        place
        for place, table in enumerate(tables)
        if table.sets >= kind.sets and table.columns >= kind.columns
    ]
    if not places:
        need = f"{kind.sets} sets" if kind.sets > 1 else f"an embedding_dim of {kind.columns}"
        raise InputError(
            f"model.regularization.{kind.key}: needs a group of at least {need}; set it to 0"
        )
    return places


def _comparable_norms(interactions: Iterable[nn.Module]) -> list[torch.Tensor]:
    """The norms of those interactions that have them for several sets."""
    found = []
    for interaction in interactions:
        assert isinstance(interaction, Interaction)
        norms = interaction.block_norms()
        if norms is not None and norms.shape[1] > 1:
            found.append(norms)
    return found


def _mean(terms: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(terms).mean()
