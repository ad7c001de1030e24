"""Which matrices of a file are meant."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.console import InputError
from pipeline.diagnostics.matrices.choosing import choose_fields
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

FILE = Path("m.pt")


def stored(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> StoredTensor:
    def read(rows: slice) -> Tensor:
        return torch.zeros(shape, dtype=dtype)[rows]

    return StoredTensor(name, shape, dtype, str(dtype), read)


TENSORS = [
    stored("tables.10.user.weight", 50, 4),
    stored("tables.9.user.weight", 50, 4),
    stored("tables.9.item.weight", 70, 4),
    stored("tables.10.item.weight", 70, 4),
    stored("mlp.weight", 8, 8),
    stored("mlp.bias", 8),
    stored("counts", 50, 2, dtype=torch.int64),
]


def chosen(*patterns: str) -> dict[str, list[str]]:
    fields = choose_fields(FILE, TENSORS, patterns)
    return {field.name: [matrix.name for matrix in field.sets] for field in fields}


def test_a_name_is_a_field_of_one_set() -> None:
    assert chosen("mlp.weight") == {"mlp.weight": ["mlp.weight"]}


def test_a_star_stands_for_any_text_and_never_for_vectors_or_integers() -> None:
    assert list(chosen("*")) == [tensor.name for tensor in TENSORS[:5]]


def test_matrices_that_differ_in_set_are_sets_of_one_field_by_number() -> None:
    assert chosen("tables.{set}.{field}.weight") == {
        "user": ["tables.9.user.weight", "tables.10.user.weight"],
        "item": ["tables.9.item.weight", "tables.10.item.weight"],
    }


def test_without_field_the_name_of_a_field_has_a_star_at_the_set() -> None:
    assert list(chosen("tables.{set}.user.weight")) == ["tables.*.user.weight"]


def test_several_patterns_add_up() -> None:
    assert list(chosen("mlp.weight", "tables.9.{field}.weight")) == ["mlp.weight", "user", "item"]


def test_the_only_matrix_needs_no_pattern() -> None:
    fields = choose_fields(FILE, TENSORS[4:], [])
    assert [field.name for field in fields] == ["mlp.weight"]


@pytest.mark.parametrize(
    ("patterns", "line"),
    [
        ((), "holds 5 matrices; name the embeddings"),
        (("mlp.bias",), "'mlp.bias' names no matrix"),
        (("tables.*.{field}.weight",), "the same set of a field; put {set}"),
        (("{set}.{set}",), "twice"),
    ],
)
def test_what_is_not_clear_is_refused(patterns: tuple[str, ...], line: str) -> None:
    with pytest.raises(InputError, match=line):
        choose_fields(FILE, TENSORS, patterns)


def test_sets_of_different_rows_are_refused() -> None:
    tensors = [stored("a.0", 5, 2), stored("a.1", 6, 2)]
    with pytest.raises(InputError, match=r"differ in rows: a\.0 has 5, a\.1 6"):
        choose_fields(FILE, tensors, ["a.{set}"])


def test_a_file_without_matrices_is_refused() -> None:
    with pytest.raises(InputError, match=r"no matrix of floating point, but mlp\.bias  8"):
        choose_fields(FILE, TENSORS[5:], [])
