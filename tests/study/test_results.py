import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from study_cases import StudyMaker, finished

from pipeline.spec_study import StudySpec
from pipeline.study.cells import cells_of
from pipeline.study.data_files import as_json, cells_csv, summary_csv
from pipeline.study.results import Entry, entries_of, read_result
from pipeline.study.tables import auc_table, markdown

AUCS = {
    "dcnv2-single-1x-seed0": 0.800,
    "dcnv2-single-1x-seed1": 0.802,
    "dcnv2-single-4x-seed0": 0.803,
    "dcnv2-single-4x-seed1": 0.801,
    "dcnv2-multi-4x-seed0": 0.810,
    "dcnv2-multi-4x-seed1": 0.814,
}
SHARED = {
    "name": "shared",
    "overrides": ["model.shared_interaction=true"],
    "embeddings": ["multi"],
    "factors": [4],
}
PUBLISHED = {
    "base": "clicks",
    "interaction": "dcnv2",
    "embedding": "multi",
    "factors": [4],
    "auc": [0.81382],
    "deviation": [0.00015],
}


@pytest.fixture
def study(make_study: StudyMaker) -> StudySpec:
    return make_study(published=[PUBLISHED], source="Table 5")


@pytest.fixture
def entries(study: StudySpec) -> list[Entry]:
    return entries_of(study, finished(study, AUCS))


def entry(entries: list[Entry], name: str, factor: int) -> Entry:
    return next(one for one in entries if (one.row.name, one.factor) == (name, factor))


def test_the_mean_and_deviation_are_over_seeds(entries: list[Entry]) -> None:
    multi = entry(entries, "dcnv2-multi", 4)
    assert multi.mean("auc") == pytest.approx(0.812)
    # Of two values: their distance over the root of two.
    assert multi.deviation("auc") == pytest.approx(0.004 / 2**0.5)


def test_multi_embedding_at_the_base_has_the_single_cells_results(entries: list[Entry]) -> None:
    multi, single = entry(entries, "dcnv2-multi", 1), entry(entries, "dcnv2-single", 1)
    assert multi.results == single.results != ()
    assert (multi.over_base, multi.over_single) == (None, None)


def test_gains_are_paired_by_seed(entries: list[Entry]) -> None:
    multi = entry(entries, "dcnv2-multi", 4)
    assert multi.over_base is not None
    assert multi.over_base.difference == pytest.approx(0.011)
    assert multi.over_single is not None
    # 0.007 and 0.013: mean 0.010.
    assert multi.over_single.difference == pytest.approx(0.010)
    assert multi.over_single.deviation == pytest.approx(0.006 / 2**0.5)


def test_a_variant_compares_with_the_grids_own_row(make_study: StudyMaker) -> None:
    study = make_study(variants=[SHARED])
    aucs = {**AUCS, "dcnv2-shared-multi-4x-seed0": 0.805}
    shared = entry(entries_of(study, finished(study, aucs)), "dcnv2-shared-multi", 4)
    assert shared.over_plain is not None
    assert shared.over_plain.difference == pytest.approx(-0.005)
    assert shared.over_base is not None
    assert shared.over_base.difference == pytest.approx(0.005)
    assert shared.over_base.p is None


def test_a_comparison_over_fewer_seeds_than_the_studys_says_over_how_many(
    make_study: StudyMaker,
) -> None:
    study = make_study(variants=[SHARED])
    entries = entries_of(study, finished(study, {**AUCS, "dcnv2-shared-multi-4x-seed0": 0.805}))
    text = markdown(study, entries, (), "command")
    assert "| dcnv2, shared | multi | - | -0.00500 (1 of 2 seeds) |" in text
    assert "| dcnv2 | multi | - | +0.01000 (0.186) |" in text
    columns, *lines = csv.reader(summary_csv(entries).decode().splitlines())
    seeds = {tuple(line[:4]): line[columns.index("over_plain_seeds")] for line in lines}
    assert [found for found in seeds.values() if found] == ["1"]


def test_a_variant_of_other_data_compares_with_itself_alone(make_study: StudyMaker) -> None:
    few = {"name": "few", "overrides": ["prepare.minimum_count=9"]}
    study = make_study(variants=[few])
    aucs = {**AUCS, "dcnv2-few-single-1x-seed0": 0.70, "dcnv2-few-multi-4x-seed0": 0.71}
    multi = entry(entries_of(study, finished(study, aucs)), "dcnv2-few-multi", 4)
    assert multi.over_plain is None
    assert multi.over_base is not None
    assert multi.over_base.difference == pytest.approx(0.01)


def test_the_table_has_the_best_in_bold_and_the_published_figure_below(
    entries: list[Entry],
) -> None:
    assert auc_table(entries).splitlines() == [
        "| Interaction | Embedding | 1x | 4x |",
        "| --- | --- | ---: | ---: |",
        "| dcnv2 | single | 0.80100 ± 0.00141 | 0.80200 ± 0.00141 |",
        "| dcnv2 | multi | 0.80100 ± 0.00141 | **0.81200 ± 0.00283** |",
        "| dcnv2 | multi, published | - | 0.81382 ± 0.00015 |",
    ]


def test_a_published_information_abundance_stands_below_ours(make_study: StudyMaker) -> None:
    given = {"base": "clicks", "interaction": "dcnv2", "embedding": "single", "factors": [1]}
    study = make_study(published=[{**given, "information_abundance": [4.73]}], source="Table 2")
    entries = entries_of(study, finished(study, AUCS))

    lines = markdown(study, entries, (), "command").splitlines()

    assert "| dcnv2 | single, published | 4.73 | - |" in lines
    assert lines[lines.index("| dcnv2 | single, published | 4.73 | - |") - 1].endswith(
        "single | 3.00 | 12.00 |"
    )
    assert "published" not in auc_table(entries)
    assert b",4.73," in summary_csv(entries)


def test_cells_that_are_not_done_leave_gaps(study: StudySpec) -> None:
    entries = entries_of(study, finished(study, {"dcnv2-single-1x-seed0": 0.8}))
    lines = auc_table(entries).splitlines()
    assert lines[2] == "| dcnv2 | single | **0.80000 (1 of 2 seeds)** | - |"
    assert "over single-embedding" not in markdown(study, entries, (), "command")


def test_a_mean_over_fewer_seeds_than_others_have_is_never_the_best(study: StudySpec) -> None:
    aucs = {"dcnv2-single-4x-seed0": 0.80, "dcnv2-single-4x-seed1": 0.90}
    found = entries_of(study, finished(study, {**aucs, "dcnv2-multi-4x-seed1": 0.88}))
    table = auc_table(found)
    assert "| **0.85000 ± 0.07071** |" in table
    assert "| 0.88000 (1 of 2 seeds) |" in table


def test_data_of_a_variant_s_own_has_a_best_of_its_own(make_study: StudyMaker) -> None:
    few = {"name": "few", "overrides": ["prepare.minimum_count=9"]}
    aucs = {**AUCS, "dcnv2-few-single-1x-seed0": 0.90, "dcnv2-few-multi-4x-seed0": 0.91}
    study = make_study(variants=[few])
    table = auc_table(entries_of(study, finished(study, aucs)))
    assert "**0.91000 (1 of 2 seeds)**" in table
    assert "**0.81200 ± 0.00283**" in table


def test_markdown_names_the_cells_that_failed(study: StudySpec, entries: list[Entry]) -> None:
    text = markdown(study, entries, ["clicks/dcnv2-multi-4x-seed1"], "command")
    assert "Cells without a result: clicks/dcnv2-multi-4x-seed1." in text


def test_markdown_says_how_the_tables_came_about(study: StudySpec, entries: list[Entry]) -> None:
    text = markdown(study, entries, (), "python -m pipeline.study a.toml")
    assert "`python -m pipeline.study a.toml`" in text
    assert "paired t test" in text
    assert "| dcnv2 | multi | - | +0.01100 (0.058) |" in text
    assert "| dcnv2 | single | 3.00 | 12.00 |" in text


def test_csv_and_json_hold_every_cell_and_entry(study: StudySpec, entries: list[Entry]) -> None:
    results = finished(study, AUCS)
    cells = list(csv.DictReader(io.StringIO(cells_csv(results).decode())))
    assert {line["cell"]: float(line["auc"]) for line in cells} == {
        f"clicks/{name}": auc for name, auc in AUCS.items()
    }
    summary = list(csv.DictReader(io.StringIO(summary_csv(entries).decode())))
    assert [(line["embedding"], line["factor"]) for line in summary] == [
        ("single", "1"),
        ("single", "4"),
        ("multi", "1"),
        ("multi", "4"),
    ]
    values = json.loads(as_json(study, entries, results))
    assert values["summary"][3]["published_auc"] == 0.81382
    assert len(values["cells"]) == 6


def metrics_of(collapse: dict[str, Any]) -> dict[str, Any]:
    """A ``metrics.json`` of which only the collapse is of interest."""
    score = {"auc": 0.8, "logloss": 0.4}
    return {
        "test": score,
        "valid": score,
        "collapse": {"information_abundance": {"mean": 3.5}, **collapse},
        "model": {"parameters": {"embedding": 100, "dense": 10}},
        "train": {"samples_per_second": 1.0, "seconds": 2.0, "epochs": 3, "best_epoch": 2},
        "embedding_optimizer": {"semantics": "dense"},
    }


@pytest.mark.parametrize(
    ("name", "collapse", "diversity"),
    [
        ("dcnv2-single-4x-seed0", {"split_diversity": {"2": 0.1, "4": 0.2}}, 0.2),
        ("dcnv2-single-1x-seed0", {"split_diversity": {"2": 0.1}}, None),
        ("dcnv2-multi-4x-seed0", {"diversity": {"mean": 0.6}}, 0.6),
    ],
)
def test_sets_are_compared_with_as_many_parts_of_the_single_embedding(
    study: StudySpec, name: str, collapse: dict[str, Any], diversity: float | None
) -> None:
    cell = next(cell for cell in cells_of(study) if cell.directory.name == name)
    cell.directory.mkdir(parents=True)
    (cell.directory / "metrics.json").write_text(json.dumps(metrics_of(collapse)))

    assert read_result(cell).diversity == diversity


def test_the_correlation_of_sub_embeddings_is_that_of_the_cell_s_one_group(
    study: StudySpec,
) -> None:
    cell = cells_of(study)[0]
    cell.directory.mkdir(parents=True)
    collapse = {"sub_embedding_correlation": {"1 x 10 dcnv2": 0.68}}
    (cell.directory / "metrics.json").write_text(json.dumps(metrics_of(collapse)))

    assert read_result(cell).sub_embedding_correlation == 0.68


def test_the_lowest_validation_logloss_is_that_of_any_epoch_and_brings_its_auc(
    study: StudySpec,
) -> None:
    cell = cells_of(study)[0]
    cell.directory.mkdir(parents=True)
    (cell.directory / "metrics.json").write_text(json.dumps(metrics_of({})))
    assert (read_result(cell).lowest_valid_logloss, read_result(cell).valid_auc_there) == (
        None,
    ) * 2
    points = [
        {"kind": "train", "step": 1, "auc": 0.5, "logloss": 0.1},
        {"kind": "valid", "step": 2, "auc": 0.6, "logloss": 0.5},
        {"kind": "valid", "step": 4, "auc": 0.7, "logloss": 0.3},
        {"kind": "valid", "step": 6, "auc": 0.8, "logloss": 0.4},
    ]
    lines = "".join(json.dumps(point) + "\n" for point in points)
    (cell.directory / "metrics.jsonl").write_text(lines)

    found = read_result(cell)

    assert (found.lowest_valid_logloss, found.valid_auc_there) == (0.3, 0.7)


def test_a_cell_on_planted_data_has_what_its_sets_found_and_its_advice(study: StudySpec) -> None:
    cell = cells_of(study)[0]
    cell.directory.mkdir(parents=True)
    patterns = [{"best_set_auc": 0.7}, {"best_set_auc": 0.9}, {"best_set_auc": None}]
    planted = {
        "oracle": {"auc": 0.83},
        "share_of_oracle": 0.75,
        "planted": {"auc": 0.95, "patterns": patterns, "specialisation": 0.25},
        "recommendation": {"advice": "more sets", "reason": "Half of them."},
    }
    (cell.directory / "metrics.json").write_text(json.dumps(metrics_of({}) | planted))

    found = read_result(cell)

    assert (found.oracle_auc, found.share_of_oracle) == (0.83, 0.75)
    assert (found.planted_auc, found.specialisation) == (0.95, 0.25)
    assert found.best_set_auc == pytest.approx(0.8)
    assert found.advice == "more sets"


def test_measures_that_no_cell_has_are_left_out(study: StudySpec, entries: list[Entry]) -> None:
    text = markdown(study, entries, (), "command")
    assert "Planted pairs found" not in text
    results = [replace(one, planted_auc=0.875) for one in finished(study, AUCS)]
    text = markdown(study, entries_of(study, results), (), "command")
    assert "Planted pairs found, all sets together" in text
    assert "| dcnv2 | single | 0.875 | 0.875 |" in text
