"""The plan places every table, counts bytes by rank, and is taken up again from its record."""

import json
from pathlib import Path

import pytest
import torch
from small_trainings import SpecMaker

from pipeline.data.manifest import Field, read_manifest
from pipeline.distributed.hardware import GIB, Cluster, named_hardware
from pipeline.distributed.memory import TableMemory, table_memory
from pipeline.distributed.plan import describe_plan, describe_ranks, make_plan, placements
from pipeline.distributed.plan_record import plan_record, read_plan
from pipeline.distributed.sharding_group import ShardingGroup
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec import Spec
from pipeline.spec_sharding import HardwareSpec


def task_of(spec: Spec, fields: tuple[Field, ...] | None = None) -> ClickTask:
    fields = fields or read_manifest(spec.dataset_directory).fields
    model = MultiEmbedding(fields, spec.model, device=torch.device("meta"))
    return ClickTask(model, spec.model)


def cluster_of(device: str, world_size: int, node_ranks: int | None = None) -> Cluster:
    return Cluster(named_hardware(device, HardwareSpec()), world_size, node_ranks or world_size)


def bytes_held(spec: Spec, world_size: int) -> list[int]:
    task = task_of(spec)
    plan = make_plan(task, spec, cluster_of("cpu", world_size))
    tables = task.model.embedding_sets.tables
    text = describe_plan(plan, tables, ShardingGroup(world_size, 1, world_size))
    assert all(table.name in text for table in tables)
    return list(table_memory(plan, tables, spec.embedding_optimizer.name, world_size).device)


# Two sets of 5 are 10 columns, stored as 12.
@pytest.mark.parametrize(
    ("optimizer", "floats_a_row"), [("sgd", 12), ("adagrad", 24), ("rowwise_adagrad", 13)]
)
@pytest.mark.parametrize("sharding", ["table_wise", "row_wise"])
def test_sharded_tables_are_held_once(
    make_spec: SpecMaker, optimizer: str, floats_a_row: int, sharding: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer}, sharding={"type": sharding})
    rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    assert sum(bytes_held(spec, world_size=2)) == rows * floats_a_row * 4


def test_parts_by_columns_have_row_moments_of_their_own(make_spec: SpecMaker) -> None:
    """12 columns are 3 parts of 4 for 3 ranks, and whole for 2: FBGEMM cannot read parts of 6."""
    spec = make_spec(sharding={"type": "column_wise"}, embedding_optimizer={"name": "adagrad"})
    rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    assert sum(bytes_held(spec, world_size=2)) == rows * 24 * 4
    by_row = make_spec(
        sharding={"type": "column_wise"}, embedding_optimizer={"name": "rowwise_adagrad"}
    )
    assert sum(bytes_held(by_row, world_size=3)) == rows * (12 + 3) * 4


def test_replicated_tables_are_held_by_every_rank_with_their_gradient(make_spec: SpecMaker) -> None:
    """12 columns of weights, of gradient and of Adam's two moments."""
    spec = make_spec(embedding_optimizer={"name": "adam"})
    rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
    assert bytes_held(spec, world_size=3) == [rows * 48 * 4] * 3


# By row: Adagrad's moment beside the weights, row-wise Adagrad's one number, or partial row-wise
# Adam's moment and one number. FBGEMM keeps the numbers by row on the device.
@pytest.mark.parametrize(
    ("optimizer", "on_host", "on_device"),
    [("adagrad", 24, 0), ("rowwise_adagrad", 12, 1), ("partial_rowwise_adam", 24, 1)],
)
class TestTablesInTheHostsMemory:
    def memory(self, spec: Spec, optimizer: str) -> TableMemory:
        task = task_of(spec)
        plan = make_plan(task, spec, cluster_of("h200", 2))
        return table_memory(plan, task.model.embedding_sets.tables, optimizer, 2)

    def test_have_their_numbers_by_row_on_the_device(
        self, make_spec: SpecMaker, optimizer: str, on_host: int, on_device: int
    ) -> None:
        spec = make_spec(sharding={"type": "table_wise", "rules": [{"kernel": ["fused_uvm"]}]})
        memory = self.memory(spec, optimizer)
        rows = sum(field.cardinality for field in read_manifest(spec.dataset_directory).fields)
        assert sum(memory.host) == rows * on_host * 4
        assert sum(memory.device) == rows * on_device * 4

    def test_have_their_cache_there_too(
        self, make_spec: SpecMaker, optimizer: str, on_host: int, on_device: int
    ) -> None:
        """A quarter of the rows with 16 bytes each, and 4 bytes for every row."""
        rule = {"kernel": ["fused_uvm_caching"], "cache_load_factor": 0.25}
        spec = make_spec(sharding={"type": "table_wise", "rules": [rule]})
        memory = self.memory(spec, optimizer)
        rows = [field.cardinality for field in read_manifest(spec.dataset_directory).fields]
        assert sum(memory.host) == sum(rows) * on_host * 4
        slots = sum(count // 4 for count in rows)
        assert sum(memory.device) == slots * (48 + 16) + sum(rows) * (4 + on_device * 4)


def test_alone_a_rank_holds_whole_tables(make_spec: SpecMaker) -> None:
    spec = make_spec()
    placed = placements(make_plan(task_of(spec), spec, cluster_of("cpu", 1)))
    assert {placement.sharding_type for placement in placed.values()} == {"table_wise"}


def test_the_planner_reckons_with_the_optimizers_state(make_spec: SpecMaker) -> None:
    """1 GiB of weights is 3 GiB with Adam's moments: it fits two ranks of 2 GiB only in parts."""
    spec = make_spec(
        embedding_optimizer={"name": "adam"},
        sharding={"reserved_share": 0.0, "hardware": {"hbm_gib": 2.0, "ddr_gib": 64.0}},
    )
    large = Field("large", "categorical", GIB // 48)
    cluster = Cluster(named_hardware("h200", spec.sharding.hardware), 2, 2)
    placed = placements(make_plan(task_of(spec, (large,)), spec, cluster))
    assert placed["large_g0"].sharding_type in ("row_wise", "table_row_wise")


class TestRecord:
    @pytest.mark.parametrize("sharding", ["table_wise", "row_wise", "column_wise", "grid"])
    def test_gives_the_same_plan_back(
        self, make_spec: SpecMaker, tmp_path: Path, sharding: str
    ) -> None:
        rule = {"tables": "several*", "type": ["table_wise"]}
        spec = make_spec(sharding={"type": sharding, "rules": [rule]})
        task, cluster = task_of(spec), cluster_of("h200", 4, 2)
        tables = task.model.embedding_sets.tables
        plan = make_plan(task, spec, cluster)
        stored = tmp_path / "plan.json"
        stored.write_text(json.dumps(plan_record(plan, spec, tables, cluster)))
        assert read_plan(stored, spec, tables, cluster) == plan

    def test_is_for_the_same_ranks_and_settings_alone(
        self, make_spec: SpecMaker, tmp_path: Path
    ) -> None:
        spec, cluster = make_spec(), cluster_of("cpu", 2)
        task = task_of(spec)
        tables = task.model.embedding_sets.tables
        stored = tmp_path / "plan.json"
        record = plan_record(make_plan(task, spec, cluster), spec, tables, cluster)
        stored.write_text(json.dumps(record))
        others = make_spec(sharding={"type": "row_wise"})
        assert read_plan(stored, spec, tables, cluster) is not None
        assert read_plan(stored, spec, tables, cluster_of("cpu", 4)) is None
        assert read_plan(stored, spec, tables[:-1], cluster) is None
        assert read_plan(stored, others, tables, cluster) is None


@pytest.mark.parametrize(
    ("ranks", "text"),
    [([0], "0"), ([0, 1], "0,1"), ([0, 1, 2, 3], "0-3"), ([4, 0, 1, 2], "4,0-2"), ([], "")],
)
def test_runs_of_ranks_are_shortened(ranks: list[int], text: str) -> None:
    assert describe_ranks(ranks) == text
