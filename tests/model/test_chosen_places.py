"""Parts of tensors are chosen by an index that goes with the model."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.model.chosen_places import ChosenPlaces
from pipeline.model.dense_part import DensePart
from pipeline.model.tables import table_groups
from pipeline.spec_model import ModelSpec

IDS, NUMBERS, ROWS = ["a", "b", "c"], ["y", "z"], 4
LABELS = ["click", "buy"]
# Two towers, and a group of the second label's own.
GROUPS = [
    {"interaction": "dnn", "sets": 2, "embedding_dim": 4, "task": "buy"},
    {"interaction": "xdeepfm", "sets": 1, "embedding_dim": 4},
    {"interaction": "dcnv2", "sets": 1, "embedding_dim": 3},
]


class Operations(TorchDispatchMode):
    """Notes the names of torch's operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def dense_part(gate: dict[str, Any], **model: Any) -> tuple[DensePart, list[Tensor]]:
    """The part that follows the lookup, and embeddings for it."""
    values = {"hidden_dim": 8, "tasks": [{"label": label} for label in LABELS], "head": "gate"}
    spec = ModelSpec.model_validate({**values, **model, "gate": gate})
    fields = [*IDS, *NUMBERS]
    embeddings = [
        torch.rand(group.sets, ROWS, len(group.places(IDS)), group.columns)
        for group in table_groups(len(fields), spec)
    ]
    return DensePart(fields, len(NUMBERS), LABELS, spec, "fp32"), embeddings


@pytest.mark.parametrize(
    "gate", [{}, {"fields": ["c", "z"]}, {"embedding_dim": 2, "fields": ["z", "a"]}]
)
def test_no_step_makes_an_index_of_a_list(gate: dict[str, Any]) -> None:
    part, embeddings = dense_part(gate, groups=GROUPS)
    with Operations() as noted:
        part(embeddings, torch.rand(ROWS, len(NUMBERS)))
    assert noted.names & {"aten::index.Tensor", "aten::lift_fresh"} == set()


def test_one_tower_and_all_fields_choose_nothing() -> None:
    part, embeddings = dense_part({}, sets=3, embedding_dim=4)
    with Operations() as noted:
        part(embeddings, torch.rand(ROWS, len(NUMBERS)))
    assert "aten::index_select" not in noted.names


def test_the_index_is_no_part_of_a_checkpoint() -> None:
    part, _ = dense_part({"fields": ["c", "z"]}, groups=GROUPS)
    assert not any("places" in name for name in part.state_dict())
    assert any("places" in name for name, _ in part.named_buffers())


def test_places_are_chosen_in_their_order_and_pass_gradients_back() -> None:
    values = torch.arange(8.0).view(2, 4).requires_grad_()
    chosen = ChosenPlaces([3, 0], dim=1)(values)
    assert chosen.tolist() == [[3, 0], [7, 4]]
    chosen.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[1, 0, 0, 1]] * 2
