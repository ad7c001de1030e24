"""What gates read: embeddings of chosen fields, the experts' or the gates' own."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.heads.head import HeadInputs
from pipeline.spec_model import ModelSpec


class GateScores(nn.Module):
    """A score of every expert, by task and row: W x + b, (T, S, B).

    x is the embeddings of ``model.gate.fields`` in every set; of the gates' own embeddings alone,
    where they have some. W and b start at 0.
    """

    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__()
        self._fields = _places(inputs.fields, spec.gate.fields)
        self._own = spec.gate.embedding_dim > 0
        self._shape = (inputs.tasks, inputs.experts)
        count = len(self._fields or inputs.fields)
        outputs = inputs.tasks * inputs.experts
        widths = inputs.widths[-1:] if self._own else inputs.widths
        self.weights = nn.ParameterList(
            torch.zeros(sets, count * columns, outputs) for sets, columns in widths
        )
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, embeddings: Sequence[torch.Tensor]) -> torch.Tensor:
        """Embeddings (M, B, F, C) -> (T, S, B)."""
        read = embeddings[-1:] if self._own else embeddings
        scores: torch.Tensor = self.bias
        for sets, weight in zip(read, self.weights, strict=True):
            chosen = sets[:, :, self._fields] if self._fields else sets
            scores = scores + torch.bmm(chosen.flatten(2), weight).sum(dim=0)
        return scores.T.unflatten(0, self._shape)


def _places(fields: Sequence[str], chosen: Sequence[str]) -> list[int]:
    for name in chosen:
        if name not in fields:
            raise InputError(
                f"model.gate.fields: the dataset has no field {name!r}; it has {', '.join(fields)}"
            )
    return [fields.index(name) for name in chosen]
