"""The plan shows every table, and counts the bytes of weights and optimizer state by rank."""

import subprocess
import sys

import pytest
import torch
from small_trainings import SpecMaker, write_spec

from pipeline.data.manifest import read_manifest
from pipeline.distributed.plan import bytes_by_rank, describe_plan, make_planner
from pipeline.distributed.sharder import make_sharder
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec import Spec


def bytes_held(spec: Spec, world_size: int) -> list[int]:
    manifest = read_manifest(spec.dataset_directory)
    model = MultiEmbedding(manifest.fields, spec.model, device=torch.device("meta"))
    planner = make_planner(spec, world_size, world_size, "cpu")
    plan = planner.plan(ClickTask(model, spec.model), [make_sharder(spec, torch.device("cpu"))])
    tables = model.embedding_sets.tables
    assert all(table.name in describe_plan(plan, tables) for table in tables)
    return bytes_by_rank(plan, tables, spec.embedding_optimizer.name, world_size)


# Two sets of 5 are 10 columns, stored as 12.
@pytest.mark.parametrize(
    ("optimizer", "floats_a_row"), [("sgd", 12), ("adagrad", 24), ("rowwise_adagrad", 13)]
)
@pytest.mark.parametrize("sharding", ["table_wise", "row_wise", "column_wise"])
def test_sharded_tables_are_held_once(
    make_spec: SpecMaker, optimizer: str, floats_a_row: int, sharding: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer}, sharding={"type": sharding})
    rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    assert sum(bytes_held(spec, world_size=2)) == rows * floats_a_row * 4


def test_replicated_tables_are_held_by_every_rank(make_spec: SpecMaker) -> None:
    spec = make_spec(embedding_optimizer={"name": "adam"})
    rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    assert bytes_held(spec, world_size=3) == [rows * 36 * 4] * 3


def test_the_entry_point_plans_for_ranks_that_are_not_there(make_spec: SpecMaker) -> None:
    command = [sys.executable, "-m", "pipeline.plan", write_spec(make_spec())]
    result = subprocess.run(
        [*command, "--world-size", "16", "--device", "cuda", "sharding.type=row_wise"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "rank 15:" in result.stdout


def test_ranks_that_do_not_fill_their_nodes_are_refused(make_spec: SpecMaker) -> None:
    command = [sys.executable, "-m", "pipeline.plan", write_spec(make_spec())]
    result = subprocess.run(
        [*command, "--world-size", "12", "--node-size", "8"], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr == "error: --world-size 12 is not a multiple of --node-size 8\n"
