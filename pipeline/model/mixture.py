"""Joins the outputs of all sets, as the head weighs them, into what the towers read."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.chosen_places import ChosenPlaces
from pipeline.model.heads.head import Gate
from pipeline.spec_model import GroupSpec


def expert_names(groups: Sequence[GroupSpec]) -> tuple[str, ...]:
    """The S experts: the sets of all groups, one after the other, each with its interaction.

    >>> expert_names([GroupSpec(interaction="dcnv2", sets=2, embedding_dim=4)])
    ('g0 dcnv2 s0', 'g0 dcnv2 s1')
    """
    return tuple(
        f"g{place} {group.interaction} s{number}"
        for place, group in enumerate(groups)
        for number in range(group.sets)
    )


class Mixture(nn.Module):
    """Outputs (M, B, H) by group -> for each tower sum_s g_s h_s over its experts, (T, B, H).

    Interactions with the same tower meet before it, as in the paper; a mixture of interactions
    with different towers adds up the towers' logits. Without a gate every g_s is 1 / S, S counting
    all experts.

    A group that a task owns is read by all tasks and trained by that one alone: the others'
    gradients stop at its outputs (Su et al., 'STEM', AAAI 2024, 'All Forward Task-specific
    Backward').

    Args:
        groups: the groups.
        towers: for each group the place of its tower.
        labels: of the T tasks.
    """

    trained: torch.Tensor | None

    def __init__(
        self, groups: Sequence[GroupSpec], towers: Sequence[int], labels: Sequence[str]
    ) -> None:
        super().__init__()
        # Of every expert the tower, and the task that owns it.
        experts = [
            (tower, group.task)
            for tower, group in zip(towers, groups, strict=True)
            for _ in range(group.sets)
        ]
        self._tasks, self._experts = len(labels), len(experts)
        self._groups = [
            [place for place, of in enumerate(towers) if of == tower]
            for tower in range(max(towers) + 1)
        ]
        columns = [
            [place for place, (of, _) in enumerate(experts) if of == tower]
            for tower in range(max(towers) + 1)
        ]
        self._sizes = [len(of_tower) for of_tower in columns]
        # Of a gate's weights those of a tower's experts.
        self.of_tower = nn.ModuleList(
            nn.Identity() if chosen == [*range(self._experts)] else ChosenPlaces(chosen, dim=1)
            for chosen in columns
        )
        owners = [experts[place][1] for of_tower in columns for place in of_tower]
        trained = [[owner in ("", label) for owner in owners] for label in labels]
        everywhere = all(all(of_task) for of_task in trained)
        # (T, S, 1), the experts tower by tower.
        mask = None if everywhere else torch.tensor(trained)[:, :, None]
        self.register_buffer("trained", mask, persistent=False)

    def forward(self, outputs: Sequence[torch.Tensor], gate: Gate | None) -> list[torch.Tensor]:
        """Outputs by group, and weights (T, S, B) -> (T, B, H) by tower."""
        joined = [
            outputs[members[0]] if len(members) == 1 else torch.cat([outputs[g] for g in members])
            for members in self._groups
        ]
        if gate is None and self.trained is None:
            return [self._mean(of_tower).expand(self._tasks, -1, -1) for of_tower in joined]
        weights = self._uniform(joined[0]) if gate is None else gate.weights
        chosen = [choose(weights) for choose in self.of_tower]
        if self.trained is None:
            return [_sum(*of_tower) for of_tower in zip(chosen, joined, strict=True)]
        masks = self.trained.split(self._sizes, dim=1)
        return [_sum_for_owners(*of_tower) for of_tower in zip(chosen, joined, masks, strict=True)]

    def _mean(self, outputs: torch.Tensor) -> torch.Tensor:
        """sum_s h_s / S, (S, B, H) -> (1, B, H)."""
        if self._experts == 1:
            # torch sums even one set: (1, 2048, 400) in bf16 took 2 to 4 ms a core, each way.
            return outputs
        return outputs.sum(dim=0, keepdim=True) / self._experts

    def _uniform(self, outputs: torch.Tensor) -> torch.Tensor:
        shape = (self._tasks, self._experts, outputs.shape[1])
        return outputs.new_full(shape, 1 / self._experts)


def _sum_for_owners(
    weights: torch.Tensor, outputs: torch.Tensor, trained: torch.Tensor
) -> torch.Tensor:
    """The same as ``_sum``; gradients reach outputs where (T, S, 1) ``trained`` says."""
    return _sum(weights * trained, outputs) + _sum(weights * ~trained, outputs.detach())


def _sum(weights: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Weights (T, S, B) and outputs (S, B, H) -> (T, B, H)."""
    return torch.einsum("tsb,sbh->tbh", weights.to(outputs.dtype), outputs)
