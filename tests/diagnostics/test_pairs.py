"""The field pairs of a group, against the tables and weights themselves."""

import pytest
import torch
from interaction_laws import build
from torch import Tensor

from pipeline.diagnostics.field_gram import FieldGram, field_gram
from pipeline.diagnostics.pairs import group_pairs

ROWS, FIELDS, SIZE, SETS = 30, 3, 4, 2
NAMES = ("user", "item", "hour")


def tables(sets: int) -> list[list[Tensor]]:
    """By field and set."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(FIELDS, sets, ROWS, SIZE, generator=generator, dtype=torch.float64)
    return [list(of_field) for of_field in drawn]


def grams_of(tables: list[list[Tensor]]) -> list[FieldGram]:
    return [
        field_gram(name, sets, torch.ones(ROWS)) for name, sets in zip(NAMES, tables, strict=True)
    ]


def abundance(matrix: Tensor) -> float:
    values = torch.linalg.svdvals(matrix.detach())
    return float(values.sum() / values[0])


def test_dcnv2s_sub_embeddings_are_those_of_the_first_layer_with_all_sets_side_by_side() -> None:
    interaction = build("dcnv2", FIELDS, SIZE, SETS)
    of_fields = tables(SETS)

    found = group_pairs("2 x 4 dcnv2", interaction, grams_of(of_fields), slice(0, SETS))

    assert found.sub_embeddings is not None
    for row, name in enumerate(found.sub_embeddings.fields):
        i = NAMES.index(name)
        for column, other in enumerate(found.sub_embeddings.fields):
            j = NAMES.index(other)
            blocks = interaction.weights[0][:, SIZE * i : SIZE * (i + 1), SIZE * j : SIZE * (j + 1)]
            mapped = [table @ block for table, block in zip(of_fields[i], blocks, strict=True)]
            expected = abundance(torch.cat(mapped, dim=1))
            assert found.sub_embeddings.abundance[row, column] == pytest.approx(expected)


def test_a_group_is_measured_by_its_own_sets() -> None:
    of_fields = tables(5)
    interaction = build("dcnv2", FIELDS, SIZE, SETS)
    alone = group_pairs("g", interaction, grams_of([sets[2:4] for sets in of_fields]), slice(0, 2))

    among_others = group_pairs("g", interaction, grams_of(of_fields), slice(2, 4))

    assert alone.sub_embeddings is not None
    assert among_others.sub_embeddings is not None
    assert among_others.sub_embeddings.abundance == pytest.approx(alone.sub_embeddings.abundance)


def test_patterns_are_the_norms_of_the_blocks_of_all_layers() -> None:
    interaction = build("dcnv2", FIELDS, SIZE, SETS, {"dcnv2": {"layers": 2}})

    found = group_pairs("g", interaction, grams_of(tables(SETS)), slice(0, SETS)).patterns

    assert found is not None
    block = torch.stack(list(interaction.weights)).detach()[:, 1, SIZE : 2 * SIZE, 2 * SIZE :]
    assert found.shape == (SETS, FIELDS, FIELDS)
    assert found[1, 1, 2] == pytest.approx(float(block.square().sum().sqrt()))


def test_an_interaction_without_weights_by_pair_has_neither() -> None:
    found = group_pairs("g", build("dnn", FIELDS, SIZE, 1), grams_of(tables(1)), slice(0, 1))

    assert (found.sub_embeddings, found.patterns) == (None, None)
