"""What every tower is: a module vectorised over the T tasks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.spec_model import ModelSpec


class Tower(nn.Module, ABC):
    """The head's representation -> the logits, each task with weights of its own.

    Args:
        tasks: T.
        streams: the widths of the representation's parts; together they are H.
        spec: the sizes.
    """

    @abstractmethod
    def __init__(self, tasks: int, streams: Sequence[int], spec: ModelSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, representation: torch.Tensor) -> torch.Tensor:
        """(T, B, H) -> (T, B)."""


def two_streams(tower: str, streams: Sequence[int]) -> list[int]:
    """The widths of the two streams that a tower reads.

    Raises:
        InputError: the interaction gives another number of them.
    """
    if len(streams) != 2:
        raise InputError(
            f"model.tower: {tower} reads two streams, the interaction gives {len(streams)}; "
            "leave it out or take mlp"
        )
    return list(streams)
