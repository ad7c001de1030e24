"""The report's figures as CSV."""

import csv
import io

import numpy as np
import pytest

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.report_data import fields_csv, pairs_csv
from pipeline.diagnostics.sub_embeddings import SubEmbeddings


def lines_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_every_field_is_a_line_of_its_measures(collapse: list[FieldCollapse]) -> None:
    lines = lines_of(fields_csv(collapse))

    assert [line["field"] for line in lines] == ["user", "item", "weekday"]
    user, field = lines[0], collapse[0]
    assert float(user["information_abundance"]) == field.together.information_abundance
    assert float(user["abundance_over_random"]) == pytest.approx(
        field.together.information_abundance / field.random_abundance
    )
    assert (user["rows"], user["dimensions"], user["level"]) == ("60", "8", field.level)


def test_a_single_set_has_an_empty_cell_for_diversity(single_collapse: list[FieldCollapse]) -> None:
    assert [line["diversity"] for line in lines_of(fields_csv(single_collapse))] == ["", ""]


def test_every_ordered_pair_is_a_line_under_its_fields_names() -> None:
    # The map's fields stand by falling abundance, the pattern's in the dataset's order.
    sub_embeddings = SubEmbeddings(
        ("item", "user"), np.array([3.0, 2.0]), np.array([[3.0, 1.5], [2.5, 2.0]])
    )
    patterns = np.arange(8.0).reshape(2, 2, 2)
    pairs = [
        GroupPairs("2 x 4 dcnv2", ("user", "item"), sub_embeddings, patterns),
        GroupPairs("1 x 4 dnn", ("user", "item"), None, None),
        GroupPairs("1 x 4 ffm", ("user", "item"), None, np.ones((1, 2, 2))),
    ]

    lines = lines_of(pairs_csv(pairs))

    found = {(line["field"], line["meets"]): line for line in lines[:4]}
    assert len(lines) == 8
    assert found["user", "item"]["sub_embedding_information_abundance"] == "2.5"
    assert (found["user", "item"]["norm_set_1"], found["user", "item"]["norm_set_2"]) == (
        "1.0",
        "5.0",
    )
    # A group of fewer sets has empty cells, not fewer.
    assert (lines[4]["norm_set_1"], lines[4]["norm_set_2"]) == ("1.0", "")
