"""The report's section on pairs of fields."""

import numpy as np
from pages import Page

from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.report_pairs import pairs_section
from pipeline.diagnostics.sub_embeddings import SubEmbeddings


def test_it_says_how_collapse_passes_between_fields(pairs: list[GroupPairs]) -> None:
    text = Page(pairs_section(pairs)).text

    assert "Sub-embeddings, 2 x 4 dcnv2" in text
    assert "Sub-embeddings added up, 2 x 4 dcnv2" in text
    assert "Interaction patterns, 2 x 4 dcnv2" in text
    assert "their correlation is 0.98" in text


def test_where_all_that_meets_a_field_is_alike_nothing_is_said_of_the_fields() -> None:
    alike = SubEmbeddings(("user", "item"), np.array([3.0, 2.0]), np.ones((2, 2)))
    section = pairs_section([GroupPairs("1 x 4 dcnv2", ("user", "item"), alike, None)])

    assert "In 1 x 4 dcnv2, the fields, or what meets them, all have the same" in section


def test_without_weights_by_pair_there_is_none() -> None:
    assert pairs_section([GroupPairs("2 x 4 dnn", ("user", "item", "weekday"), None, None)]) == ""
