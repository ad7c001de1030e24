"""A training that starts from another run's embeddings has them by token, wherever they stand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from small_trainings import SpecMaker, run_stage, train_here

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.data.preparation.build import build
from pipeline.distributed.runtime import start_runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.model.tables import Table
from pipeline.spec import Spec
from pipeline.training.checkpoints.rows import read_table
from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.setup import build_training
from pipeline.training.warm_start import warm_start

ROWS = {"train": 400, "valid": 100, "test": 100}
FIELDS = ("user", "item")


def prepare(folder: Path, users: range, fields: tuple[str, ...] = FIELDS) -> Path:
    """A dataset whose vocabulary of users is theirs, in an order of its own."""
    folder.mkdir()
    rng = np.random.default_rng(users.stop)
    for name, rows in ROWS.items():
        columns = {field: rng.integers(0, 20, rows) for field in fields}
        columns["user"] = rng.choice(np.array(users), rows)
        labels = (rng.random(rows) < 0.3 + 0.4 * (columns["user"] % 2)).astype(np.int8)
        table = pa.table({"label": labels, **columns})
        pyarrow.csv.write_csv(table, folder / f"{name}.csv")
    values = {
        "run": {"directory": str(folder)},
        "data": {
            "format": "csv",
            "source": str(folder),
            "fields": [{"name": field} for field in fields],
            "splits": {name: f"{name}.csv" for name in ROWS},
        },
    }
    spec = Spec.model_validate(values)
    build(spec, {})
    return spec.dataset_directory


@pytest.fixture
def before(make_spec: SpecMaker, tmp_path: Path) -> Spec:
    """A training on 40 users."""
    spec = make_spec(
        "before", data={"directory": str(prepare(tmp_path / "old", range(40)))}, train={"epochs": 1}
    )
    train_here(spec)
    return spec


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A dataset of 80 users, half of them new, and of another field."""
    return prepare(tmp_path / "new", range(20, 100), (*FIELDS, "place"))


def tokens(dataset: Path, field: str) -> list[str | None]:
    return pq.read_table(dataset / "vocabulary" / f"{field}.parquet")["token"].to_pylist()


def sets_of(table: Table, whole: torch.Tensor) -> dict[int, torch.Tensor]:
    """A table's sets by their place in the group."""
    parts = whole[:, : table.columns].split(table.embedding_dim, dim=1)
    return {table.first_set + place: part.clone() for place, part in enumerate(parts)}


def embeddings(
    spec: Spec, warm: bool
) -> tuple[dict[tuple[str, int], torch.Tensor], dict[str, int]]:
    """The starting values by field and set, and the rows that were found."""
    manifest, found = read_manifest(spec.dataset_directory), {}
    values: dict[tuple[str, int], torch.Tensor] = {}
    with start_runtime("cpu") as runtime:
        training = build_training(spec, manifest, runtime)
        module, tables = training.model.module, training.model.tables
        if warm:
            found = warm_start(module, tables, spec, manifest, runtime)
        state = module.state_dict()
        for table in tables:
            whole = torch.full((table.rows, table.physical_columns), torch.nan)
            for part, rows, columns in local_parts(state[TABLE_KEY.format(table.name)]):
                whole[rows, columns] = part
            for place, part in sets_of(table, whole).items():
                values[table.field.name, place] = part
    return values, found


@pytest.mark.parametrize("sharding", ["data_parallel", "table_wise", "row_wise", "column_wise"])
@pytest.mark.parametrize("storage", ["packed", "separate"])
def test_known_tokens_have_the_other_runs_rows_and_new_ones_their_own(
    before: Spec, grown: Path, make_spec: SpecMaker, sharding: str, storage: str
) -> None:
    sections: dict[str, Any] = {"data": {"directory": str(grown)}, "sharding": {"type": sharding}}
    sections["model"] = {"tables": storage}
    spec = make_spec(**sections, train={"warm_start": before.run.directory})
    own, _ = embeddings(spec, warm=False)
    warm, found = embeddings(spec, warm=True)
    best = RunDirectory(before.run_directory).best
    with start_runtime("cpu") as runtime:
        manifest = read_manifest(before.dataset_directory)
        tables = build_training(before, manifest, runtime).model.tables
    saved = {
        (table.field.name, place): part
        for table in tables
        for place, part in sets_of(table, read_table(best, table)).items()
    }
    for field in FIELDS:
        old, new = tokens(before.dataset_directory, field), tokens(grown, field)
        assert found[field] == len(set(old) & set(new))
        for place in (0, 1):
            for row, token in enumerate(new):
                if token in old:
                    expected = saved[field, place][old.index(token)]
                else:
                    expected = own[field, place][row]
                assert warm[field, place][row].equal(expected), (field, token)
    assert found["place"] == 0
    assert warm["place", 0].equal(own["place", 0])


def test_one_process_and_two_start_alike(before: Spec, grown: Path, make_spec: SpecMaker) -> None:
    sections: dict[str, Any] = {"data": {"directory": str(grown)}}
    sections["train"] = {"warm_start": before.run.directory, "epochs": 1}
    one = make_spec("one", **sections)
    two = make_spec("two", **sections, sharding={"type": "row_wise"})
    train_here(one)
    run_stage("pipeline.train", two, 2)
    points = [read_journal(RunDirectory(spec.run_directory).journal_file) for spec in (one, two)]
    first, second = ([p["loss"] for p in run if p["kind"] == "train"] for run in points)
    assert second == pytest.approx(first, abs=1e-5)


def test_the_rows_that_were_found_are_told_by_field(
    before: Spec, grown: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    train = {"warm_start": before.run.directory, "epochs": 1}
    train_here(make_spec(data={"directory": str(grown)}, train=train))
    # 20 of the 80 users are known, and the out-of-vocabulary row.
    wanted = "starts from the embeddings of .*; rows: user 2[01] of 8[01], item 21 of 21"
    assert re.search(wanted, capsys.readouterr().out)


@pytest.mark.parametrize("model", [{"sets": 3}, {"embedding_dim": 8}])
def test_other_embedding_sets_are_refused(
    before: Spec, grown: Path, make_spec: SpecMaker, model: dict[str, int]
) -> None:
    train = {"warm_start": before.run.directory}
    spec = make_spec(data={"directory": str(grown)}, model=model, train=train)
    with pytest.raises(InputError, match=r"warm_start: \S+ has no embedding set"):
        train_here(spec)


def test_a_place_without_a_run_is_refused(make_spec: SpecMaker, tmp_path: Path) -> None:
    spec = make_spec(train={"warm_start": str(tmp_path / "nothing")})
    with pytest.raises(InputError, match=r"warm_start: \S+nothing holds no run"):
        train_here(spec)


def test_a_run_whose_dataset_was_prepared_anew_is_refused(
    before: Spec, grown: Path, make_spec: SpecMaker, tmp_path: Path
) -> None:
    (tmp_path / "old").rename(tmp_path / "moved")
    prepare(tmp_path / "old", range(60, 100))
    spec = make_spec(data={"directory": str(grown)}, train={"warm_start": before.run.directory})
    with pytest.raises(InputError, match=r"warm_start: \S+before was trained on .* holds \w+ now"):
        embeddings(spec, warm=True)


GATED = {"head": "gate", "gate": {"embedding_dim": 4}}
ALIKE = {"interaction": "dnn", "sets": 1, "embedding_dim": 4}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({"groups": [ALIKE], **GATED}, {"groups": [ALIKE] * 2}, "no embedding set 1 of 4 numbers"),
        (
            {"groups": [ALIKE] * 2},
            {"groups": [ALIKE], **GATED},
            "no embeddings of 4 numbers of its gates' own for field 'user'; .* same model.gate",
        ),
    ],
)
def test_gates_and_experts_take_no_embeddings_of_each_other(
    make_spec: SpecMaker, tmp_path: Path, old: dict[str, Any], new: dict[str, Any], reason: str
) -> None:
    data = {"directory": str(prepare(tmp_path / "data", range(40)))}
    train = {"epochs": 1, "batch_size": 400}
    before = make_spec("before", data=data, model=old, train=train)
    train_here(before)
    spec = make_spec(data=data, model=new, train={"warm_start": before.run.directory})
    with pytest.raises(InputError, match=f"warm_start: .*{reason}"):
        embeddings(spec, warm=True)
