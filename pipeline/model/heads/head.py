"""What every head is: weights of the sets' outputs, for each task and row."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from pipeline.spec_model import ModelSpec


@dataclass(frozen=True)
class HeadInputs:
    """What a head is built for.

    Attributes:
        tasks: T.
        experts: S, the sets of all groups, each with its interaction.
        fields: the names of the F fields, dense ones at the end.
        widths: (M, C) of each tensor (M, B, F, C) of embeddings, in their order.
        trained: for each of these tensors, by task, whether the task may train it. A gate reads
            all of them, and its gradient stops at those of other tasks.
    """

    tasks: int
    experts: int
    fields: tuple[str, ...]
    widths: tuple[tuple[int, int], ...]
    trained: tuple[tuple[bool, ...], ...]


class Gate(NamedTuple):
    """The weights (T, S, B) of the experts, and a term of the loss, () or None."""

    weights: torch.Tensor
    penalty: torch.Tensor | None


class Head(nn.Module, ABC):
    """Embeddings -> the weight of every expert, by task and row."""

    @abstractmethod
    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, embeddings: Sequence[torch.Tensor]) -> Gate | None:
        """Embeddings (M, B, F, C), those of the gates' own last -> weights; None for the mean.

        The gates' own are of ``model.gate.fields`` alone, in the order of all fields.
        """
