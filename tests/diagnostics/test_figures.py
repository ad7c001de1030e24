import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from measured_fields import measured_field

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.collapse_plots import abundance_bars, sparkline, spectra
from pipeline.diagnostics.pair_plots import pattern_maps, sub_embedding_map, sub_embedding_sums
from pipeline.diagnostics.run_plots import loss_curve, validation_curve
from pipeline.diagnostics.sub_embeddings import SubEmbeddings


def test_training_does_not_import_matplotlib() -> None:
    program = "import sys, pipeline.training.training; sys.exit('matplotlib' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_bars_name_every_field_with_its_value_and_rows(collapse: list[FieldCollapse]) -> None:
    svg = abundance_bars(collapse)

    for field in collapse:
        assert f">{field.name}</text>" in svg
        assert f">{field.together.information_abundance:.1f}</text>" in svg
        assert f">{field.cardinality}</text>" in svg


def test_a_figure_of_thirty_nine_fields_grows_with_them() -> None:
    fields = [measured_field(f"field_{i}", [torch.randn(30, 4)]) for i in range(39)]

    svg = abundance_bars(fields)

    assert all(f">field_{i}</text>" in svg for i in range(39))
    assert 'viewBox="0 0 360 7' in svg


def test_a_long_field_name_loses_its_middle_in_the_figure() -> None:
    svg = abundance_bars([measured_field("clicks_of_the_last_thirty_days", [torch.randn(30, 4)])])

    assert ">clicks_o…irty_days</text>" in svg


@pytest.mark.parametrize("matrix", [torch.zeros(30, 4), torch.ones(30, 4), torch.randn(1, 1)])
def test_a_collapsed_field_has_figures_too(matrix: torch.Tensor) -> None:
    field = measured_field("a", [matrix])

    for svg in (
        abundance_bars([field]),
        spectra([field], {"a": "lowest"}),
        sparkline(field.sets[0]),
    ):
        assert svg.startswith("<svg")
        assert svg.rstrip().endswith("</svg>")


def test_the_tested_model_is_marked(curves: list[dict[str, Any]]) -> None:
    svg = validation_curve(curves, "auc", oracle_auc=0.8)

    assert ">tested 0.7512</text>" in svg
    assert ">oracle 0.8000</text>" in svg


def test_the_tested_model_is_the_best_by_the_metric_that_is_monitored() -> None:
    valid = [
        {"kind": "valid", "step": 5, "epoch": 0, "auc": 0.75, "logloss": 0.6},
        {"kind": "valid", "step": 17, "epoch": 2, "auc": 0.61, "logloss": 0.5},
        {"kind": "valid", "step": 23, "epoch": 2, "auc": 0.74, "logloss": 0.55},
    ]

    svg = validation_curve(valid, "logloss", oracle_auc=None)

    assert ">tested 0.6100</text>" in svg
    assert "0.6100, at step 17 in epoch 3." in svg


def test_one_step_and_one_epoch_are_enough_for_curves(curves: list[dict[str, Any]]) -> None:
    short = [curves[0], curves[-1]]

    assert loss_curve(short).startswith("<svg")
    assert validation_curve(short, "auc", oracle_auc=None).startswith("<svg")


@pytest.mark.parametrize("name", ["_c0", "emb$_$x", "50$"])
def test_a_field_of_any_name_is_in_its_figures(name: str) -> None:
    field = measured_field(name, [torch.randn(30, 4)])

    assert f">{name}, lowest</text>" in spectra([field], {name: "lowest"})
    assert f">{name}</text>" in abundance_bars([field])


def test_the_map_of_pairs_names_the_fields_in_their_order_on_both_axes() -> None:
    pairs = SubEmbeddings(
        ("user", "item"), np.array([3.0, 2.0]), np.array([[3.0, 1.0], [2.0, 1.5]])
    )

    svg = sub_embedding_map(pairs, "pairs")

    assert svg.count(">user</text>") == svg.count(">item</text>") == 2
    assert svg.index(">user</text>") < svg.index(">item</text>")
    assert "from 1.00 to 3.00" in svg


def test_the_sums_are_of_the_map_s_rows_and_columns() -> None:
    pairs = SubEmbeddings(
        ("user", "item"), np.array([3.0, 2.0]), np.array([[3.0, 1.0], [2.0, 1.5]])
    )

    svg = sub_embedding_sums(pairs, "sums")

    assert "of rows from 3.5 to 4.0, of columns from 2.5 to 5.0" in svg


def test_more_fields_than_there_is_room_for_have_no_names() -> None:
    names = tuple(f"field_{place}" for place in range(61))
    svg = sub_embedding_map(SubEmbeddings(names, np.ones(61), np.ones((61, 61))), "pairs")

    assert "field_1" not in svg


@pytest.mark.parametrize("sets", [1, 4, 7, 10])
def test_every_set_has_its_pattern(sets: int) -> None:
    svg = pattern_maps(np.random.default_rng(0).uniform(size=(sets, 5, 5)), "patterns")

    assert [f">set {place + 1}</text>" in svg for place in range(sets + 1)] == [True] * sets + [
        False
    ]
    assert svg.count("<image") == sets
