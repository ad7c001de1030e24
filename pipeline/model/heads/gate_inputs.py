"""What gates read: embeddings of chosen fields, the experts' or the gates' own."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.chosen_places import ChosenPlaces
from pipeline.model.heads.head import HeadInputs
from pipeline.spec_model import ModelSpec


class GateScores(nn.Module):
    """A score of every expert, by task and row: W x + b, (T, S, B).

    x is the embeddings of ``model.gate.fields`` in every set; of the gates' own embeddings alone,
    where they have some. W and b start at 0. Where a task's gradient must not reach embeddings, its
    scores read them and the gradient stops there.
    """

    trained: torch.Tensor

    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__()
        fields = _places(inputs.fields, spec.gate.fields)
        self._own = spec.gate.embedding_dim > 0
        self._shape = (inputs.tasks, inputs.experts)
        count = len(fields or inputs.fields)
        if self._own:
            # Its own embeddings are of these fields alone, in the order of all fields.
            there = sorted(set(fields))
            fields = [there.index(place) for place in fields]
        self.read = ChosenPlaces(fields, dim=2) if fields else nn.Identity()
        outputs = inputs.tasks * inputs.experts
        widths, trained = inputs.widths, inputs.trained
        if self._own:
            widths, trained = widths[-1:], trained[-1:]
        self.weights = nn.ParameterList(
            torch.zeros(sets, count * columns, outputs) for sets, columns in widths
        )
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._by_all = [all(of_tensor) for of_tensor in trained]
        by_output = torch.tensor(trained).repeat_interleave(inputs.experts, dim=1)
        self.register_buffer("trained", by_output, persistent=False)

    def forward(self, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """Embeddings (M, B, F, C) -> (T, S, B)."""
        read = embeddings[-1:] if self._own else embeddings
        scores: torch.Tensor = self.bias
        for place, (sets, weight) in enumerate(zip(read, self.weights, strict=True)):
            chosen = self.read(sets).flatten(2)
            part = torch.bmm(chosen, weight)
            if not self._by_all[place]:
                stopped = torch.bmm(chosen.detach(), weight)
                part = torch.where(self.trained[place], part, stopped)
            scores = scores + part.sum(dim=0)
        return scores.T.unflatten(0, self._shape)


def _places(fields: Sequence[str], chosen: Sequence[str]) -> list[int]:
    for name in chosen:
        if name not in fields:
            raise InputError(
                f"model.gate.fields: the dataset has no field {name!r}; it has {', '.join(fields)}"
            )
    return [fields.index(name) for name in chosen]
