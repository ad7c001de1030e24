from collections.abc import Iterable

import pytest
from study_cases import StudyMaker

from pipeline.console import InputError
from pipeline.study.cells import Cell, cells_of, datasets_of
from pipeline.study.running import check_cells

SHARED = {"name": "shared", "overrides": ["model.shared_interaction=true"], "embeddings": ["multi"]}
IPNN = {
    "interaction": "ipnn",
    "embedding": "single",
    "overrides": ["model.ipnn.flattened=true"],
}
FEW_ROWS = {"name": "few_rows", "overrides": ["prepare.minimum_count=2"], "factors": [1]}


def names(cells: Iterable[Cell]) -> list[str]:
    return [cell.directory.name for cell in cells]


def grid(*interactions: str) -> dict[str, list[int] | tuple[str, ...]]:
    return {"interactions": interactions, "factors": [1, 4], "seeds": [0]}


def test_single_and_multi_embedding_are_one_cell_at_the_base(make_study: StudyMaker) -> None:
    assert names(cells_of(make_study())) == [
        "dcnv2-single-1x-seed0",
        "dcnv2-single-4x-seed0",
        "dcnv2-multi-4x-seed0",
        "dcnv2-single-1x-seed1",
        "dcnv2-single-4x-seed1",
        "dcnv2-multi-4x-seed1",
    ]


def test_they_are_two_cells_where_their_settings_differ(make_study: StudyMaker) -> None:
    cells = cells_of(make_study(grid=grid("dnn", "ipnn"), settings=[IPNN]))
    assert [name for name in names(cells) if "multi-1x" in name] == ["ipnn-multi-1x-seed0"]
    flattened = {cell.directory.name: cell.load().model.ipnn.flattened for cell in cells}
    assert [name for name, given in flattened.items() if given] == [
        "ipnn-single-1x-seed0",
        "ipnn-single-4x-seed0",
    ]


def test_a_single_embedding_gets_wider_and_a_multi_embedding_gets_more_sets(
    make_study: StudyMaker,
) -> None:
    wide = {"interaction": "nfwfm", "embedding_dim": 50}
    cells = cells_of(make_study(grid=grid("dcnv2", "nfwfm"), embedding_dim=8, settings=[wide]))
    models = {cell.directory.name: cell.load().model for cell in cells}
    sizes = {name: (model.sets, model.embedding_dim) for name, model in models.items()}
    assert sizes == {
        "dcnv2-single-1x-seed0": (1, 8),
        "dcnv2-single-4x-seed0": (1, 32),
        "dcnv2-multi-4x-seed0": (4, 8),
        "nfwfm-single-1x-seed0": (1, 50),
        "nfwfm-single-4x-seed0": (1, 200),
        "nfwfm-multi-4x-seed0": (4, 50),
    }
    assert all(model.interaction == name.split("-")[0] for name, model in models.items())


def test_a_variant_adds_its_part_of_the_grid(make_study: StudyMaker) -> None:
    cells = cells_of(make_study(grid=grid("dcnv2"), variants=[SHARED]))
    shared = [cell for cell in cells if cell.load().model.shared_interaction]
    assert names(shared) == ["dcnv2-shared-multi-1x-seed0", "dcnv2-shared-multi-4x-seed0"]


def test_a_cell_has_its_own_directory_and_seed_and_the_dataset_of_all(
    make_study: StudyMaker,
) -> None:
    study = make_study(overrides=["train.epochs=2"])
    cells = cells_of(study)
    specs = [cell.load() for cell in cells]
    assert {spec.train.epochs for spec in specs} == {2}
    assert {spec.run_directory for spec in specs} == {cell.directory for cell in cells}
    assert [spec.run.seed for spec in specs] == [cell.seed for cell in cells]
    assert len({spec.dataset_directory for spec in specs}) == 1
    assert len(list(datasets_of(cells))) == 1


def test_a_variant_of_other_data_has_a_dataset_of_its_own(make_study: StudyMaker) -> None:
    cells = cells_of(make_study(variants=[FEW_ROWS]))
    assert {cell.dataset.name: cell.load().prepare.minimum_count for cell in cells} == {
        "dataset": 1,
        "dataset-few_rows": 2,
    }


def test_a_wrong_override_is_found_before_anything_runs(make_study: StudyMaker) -> None:
    cells = cells_of(make_study(overrides=["train.epoch=2"]))
    with pytest.raises(InputError, match=r"dcnv2-single-1x-seed0: .*train\.epoch: unknown key"):
        check_cells(cells)


def test_a_large_factor_can_be_left_to_the_first_seed_and_comes_last(
    make_study: StudyMaker,
) -> None:
    sizes = {"interactions": ["dcnv2"], "factors": [1, 10], "seeds": [3, 4]}
    assert names(cells_of(make_study(grid={**sizes, "first_seed_only": [10]}))) == [
        "dcnv2-single-1x-seed3",
        "dcnv2-single-1x-seed4",
        "dcnv2-single-10x-seed3",
        "dcnv2-multi-10x-seed3",
    ]
