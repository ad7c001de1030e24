"""The groups whose field pairs are measured are told apart by their names."""

from typing import Any

import pytest
import torch

from pipeline.data.manifest import Field
from pipeline.diagnostics.field_gram import field_gram
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec_model import ModelSpec
from pipeline.training.pair_probe import probe_pairs

ALIKE = {"interaction": "dcnv2", "sets": 1, "embedding_dim": 4}
OTHER = {"interaction": "dcnv2", "sets": 2, "embedding_dim": 4}
SHARING = {"interaction": "dcnv2", "shares": 0}


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ([ALIKE], ["1 x 4 dcnv2"]),
        ([ALIKE, OTHER], ["1 x 4 dcnv2", "2 x 4 dcnv2"]),
        ([ALIKE, OTHER, ALIKE], ["1 x 4 dcnv2 (g0)", "2 x 4 dcnv2", "1 x 4 dcnv2 (g2)"]),
        ([ALIKE, SHARING], ["1 x 4 dcnv2 (g0)", "1 x 4 dcnv2 (g1)"]),
    ],
)
def test_groups_of_one_size_and_interaction_have_names_of_their_own(
    groups: list[dict[str, Any]], names: list[str]
) -> None:
    fields = [Field(f"f{place}", "categorical", 9) for place in range(3)]
    spec = ModelSpec.model_validate({"groups": groups, "hidden_dim": 3})
    sets = sum(group.get("sets", 0) for group in groups)
    grams = [
        field_gram(field.name, [torch.randn(9, 4) for _ in range(sets)], torch.ones(9))
        for field in fields
    ]
    found = probe_pairs(MultiEmbedding(fields, spec), spec, grams)
    assert [group.group for group in found] == names
