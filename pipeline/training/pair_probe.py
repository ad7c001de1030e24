"""What a trained model's interactions do with pairs of fields."""

from collections.abc import Sequence

from torch import nn

from pipeline.diagnostics.field_gram import FieldGram
from pipeline.diagnostics.pairs import GroupPairs, group_pairs
from pipeline.model.dense_part import DensePart
from pipeline.model.interactions.interaction import Interaction
from pipeline.spec_model import GroupSpec, ModelSpec


def probe_pairs(module: nn.Module, spec: ModelSpec, grams: Sequence[FieldGram]) -> list[GroupPairs]:
    """The pairs of every group, with the weights that ``module`` has now.

    Args:
        module: the model, sharded or not.
        spec: its architecture.
        grams: of every field with ids, all sets side by side.
    """
    (dense,) = (part for part in module.modules() if isinstance(part, DensePart))
    ends, own = [0], [group for group in spec.resolved_groups if group.shares is None]
    for group in own:
        ends.append(ends[-1] + group.sets)
    found = []
    for name, interaction, place in zip(
        _names(spec.resolved_groups), dense.interactions, dense.table_of_group, strict=True
    ):
        assert isinstance(interaction, Interaction)
        found.append(group_pairs(name, interaction, grams, slice(ends[place], ends[place + 1])))
    return found


def _names(groups: Sequence[GroupSpec]) -> list[str]:
    """A group's label, and its place too where others have the same label."""
    labels = [group.label for group in groups]
    return [
        label if labels.count(label) == 1 else f"{label} (g{place})"
        for place, label in enumerate(labels)
    ]
