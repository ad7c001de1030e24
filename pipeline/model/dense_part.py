"""All that follows the lookup of embeddings."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.heads.head import Gate, Head, HeadInputs
from pipeline.model.interactions.build import build_interaction
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.mixture import Mixture
from pipeline.model.numeric_embeddings import NumericEmbeddings
from pipeline.model.regularizers.regularization import Regularization
from pipeline.model.tables import TableGroup, table_groups
from pipeline.model.towers.tower import Tower
from pipeline.registry import BUILT_IN, load_component
from pipeline.spec_model import OWN, GroupSpec, ModelSpec

Precision = Literal["fp32", "bf16"]


class Output(NamedTuple):
    """What the model makes of a batch.

    Attributes:
        logits: (T, B) float32, by task.
        penalty: (), what interactions, gates and regularisers add to the loss; 0 in evaluation.
        gate: (T, S, B) the experts' weights, without gradient; None for the mean head.
    """

    logits: torch.Tensor
    penalty: torch.Tensor
    gate: torch.Tensor | None


class DensePart(nn.Module):
    """Embeddings (M, B, F, C) -> interactions (M, B, H) -> head (T, B, H) -> towers (T, B).

    Args:
        fields: the names of the fields with ids, then of the dense ones.
        dense_fields: how many of them are dense.
        labels: of the T tasks.
        spec: the groups, the head and the sizes.
        precision: ``bf16`` computes under autocast; parameters stay float32.

    Attributes:
        interactions: one a group.
        table_of_group: for each group the place of its embeddings among the table groups.
    """

    def __init__(
        self,
        fields: Sequence[str],
        dense_fields: int,
        labels: Sequence[str],
        spec: ModelSpec,
        precision: Precision,
    ) -> None:
        super().__init__()
        groups, tables = spec.resolved_groups, table_groups(len(fields), spec)
        self.table_of_group = _tables_of(groups, tables, len(fields))
        numeric = fields[len(fields) - dense_fields :]
        self.numeric = NumericEmbeddings(numeric, tables) if numeric else None
        interactions = [build_interaction(len(fields), group, spec) for group in groups]
        self.interactions = nn.ModuleList(interactions)
        kinds = [_tower_of(interaction, spec) for interaction in interactions]
        towers = list(dict.fromkeys(kinds))
        _check_depth([name for name, _ in towers], spec)
        self.head = load_component("head", spec.head, Head)(
            HeadInputs(
                tasks=len(labels),
                experts=sum(group.sets for group in groups),
                fields=tuple(fields),
                widths=tuple((table.sets, table.columns) for table in tables),
                trained=_trained(groups, self.table_of_group, len(tables), labels),
            ),
            spec,
        )
        self.mixture = Mixture(groups, [towers.index(kind) for kind in kinds], labels)
        self.towers = nn.ModuleList(
            load_component("tower", name, Tower)(len(labels), streams, spec)
            for name, streams in towers
        )
        owners = sum(group.shares is None for group in groups)
        self._regularization = Regularization(spec.regularization, tables[:owners], interactions)
        self._autocast = precision == "bf16"

    def forward(self, embeddings: list[torch.Tensor], dense: torch.Tensor | None) -> Output:
        """Embeddings of ids by table group, (M, B, F, C), and dense fields (B, D) -> output."""
        device, of_ids = embeddings[0].device.type, embeddings
        with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
            if self.numeric is not None:
                embeddings = self.numeric(embeddings, dense)
            outputs = [
                interaction(embeddings[table])
                for interaction, table in zip(self.interactions, self.table_of_group, strict=True)
            ]
            gate = self.head(embeddings)
            representations = self.mixture(outputs, gate)
            logits = [
                tower(representation).float()
                for tower, representation in zip(self.towers, representations, strict=True)
            ]
        total = logits[0] if len(logits) == 1 else torch.stack(logits).sum(dim=0)
        penalty = total.new_zeros(())
        if self.training:
            penalty = penalty + self._penalty(gate, of_ids)
        return Output(total, penalty, None if gate is None else gate.weights.detach())

    def _penalty(self, gate: Gate | None, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """What gates, interactions and regularisers add to the loss, (), without autocast."""
        terms = [gate.penalty] if gate is not None else []
        for interaction in self.interactions:
            assert isinstance(interaction, Interaction)
            terms.append(interaction.penalty())
        terms += self._regularization.terms(embeddings, self.interactions)
        return sum((term.float() for term in terms if term is not None), torch.zeros(()))


def _tower_of(interaction: Interaction, spec: ModelSpec) -> tuple[str, tuple[int, ...]]:
    """Its tower's name and what that reads. Interactions that agree in both share a tower."""
    return interaction.tower if spec.tower == OWN else spec.tower, interaction.streams


def _check_depth(towers: Sequence[str], spec: ModelSpec) -> None:
    """Refuses a number of hidden blocks that no tower reads; of the built-in ones mlp alone does.

    Raises:
        InputError: ``model.tower_blocks`` would be without effect.
    """
    fixed = BUILT_IN["tower"].keys() - {"mlp"}
    if spec.tower_blocks != ModelSpec.model_fields["tower_blocks"].default and fixed >= {*towers}:
        raise InputError(
            f"model.tower_blocks is {spec.tower_blocks}: the tower {towers[0]} does not read it; "
            "leave it out, or set model.tower to 'mlp'"
        )


def _trained(
    groups: Sequence[GroupSpec], places: Sequence[int], tables: int, labels: Sequence[str]
) -> tuple[tuple[bool, ...], ...]:
    """For each table group, by task, whether a group that reads it is the task's or nobody's.

    The gates' own embeddings, which no group reads, are everybody's.
    """
    owners: list[set[str]] = [set() for _ in range(tables)]
    for group, place in zip(groups, places, strict=True):
        owners[place].add(group.task)
    return tuple(
        tuple(not of_table or bool(of_table & {"", label}) for label in labels)
        for of_table in owners
    )


def _tables_of(groups: Sequence[GroupSpec], tables: Sequence[TableGroup], fields: int) -> list[int]:
    """For each group the place of its embeddings among the table groups."""
    owners = [place for place, group in enumerate(groups) if group.shares is None]
    places = []
    for number, group in enumerate(groups):
        place = owners.index(number if group.shares is None else group.shares)
        kind = load_component("interaction", group.interaction, Interaction)
        needed, given = kind.table_columns(fields, group.embedding_dim), tables[place].columns
        if needed != given:
            raise InputError(
                f"model.groups.{number}: {group.interaction} needs {needed} columns a set, the "
                f"group that it shares has {given}; give it embeddings of its own"
            )
        places.append(place)
    return places
