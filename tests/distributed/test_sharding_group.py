"""Ranks in groups with a copy of the tables each: who is in which, and what that takes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_trainings import SpecMaker, write_spec

from pipeline import plan as plan_command
from pipeline.console import InputError
from pipeline.data.manifest import Field, read_manifest
from pipeline.distributed.fit import fit
from pipeline.distributed.fit_text import describe_fit
from pipeline.distributed.hardware import GIB, Cluster, named_hardware
from pipeline.distributed.plan import make_plan, placements, plan_of_group
from pipeline.distributed.remedies import remedies
from pipeline.distributed.sharding_group import ShardingGroup, sharding_group
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec import Spec
from pipeline.spec_sharding import HardwareSpec, ShardingSpec


def cluster_of(ranks: int, node_ranks: int, device: str = "cpu") -> Cluster:
    return Cluster(named_hardware(device, HardwareSpec()), ranks, node_ranks)


def group_of(size: int, ranks: int, node_ranks: int) -> ShardingGroup:
    return sharding_group(ShardingSpec(group_size=size), cluster_of(ranks, node_ranks))


def task_of(spec: Spec) -> ClickTask:
    fields = read_manifest(spec.dataset_directory).fields
    return ClickTask(MultiEmbedding(fields, spec.model, device=torch.device("meta")), spec.model)


@given(size=st.integers(1, 12), copies=st.integers(2, 12))
def test_every_rank_has_one_place_in_one_group(size: int, copies: int) -> None:
    group = group_of(size, size * copies, 1)
    assert (group.size, group.copies) == (size, copies)
    found = {group.rank(place, number): place for place in range(size) for number in range(copies)}
    assert sorted(found) == list(range(size * copies))
    assert all(group.place(rank) == place for rank, place in found.items())


@given(size=st.integers(1, 12), copies=st.integers(2, 12), data=st.data())
def test_neighbouring_places_that_are_called_one_node_are_on_one(
    size: int, copies: int, data: st.DataObject
) -> None:
    ranks = size * copies
    node_ranks = data.draw(st.sampled_from([n for n in range(1, ranks + 1) if ranks % n == 0]))
    group = group_of(size, ranks, node_ranks)
    assert size % group.node_ranks == 0
    for number in range(copies):
        nodes = [group.rank(place, number) // node_ranks for place in range(size)]
        for first in range(0, size, group.node_ranks):
            assert len(set(nodes[first : first + group.node_ranks])) == 1


def test_ranks_with_the_same_rows_are_neighbours() -> None:
    """The order of TorchRec's DMPCollection: two nodes of 8, four ranks of a group on each."""
    group = group_of(8, ranks=16, node_ranks=8)
    assert [group.rank(place, 1) for place in range(8)] == [1, 3, 5, 7, 9, 11, 13, 15]
    assert group.node_ranks == 4


@pytest.mark.parametrize(("size", "ranks"), [(0, 6), (6, 6), (8, 6), (1, 1)])
def test_no_more_ranks_than_a_group_are_one_group(size: int, ranks: int) -> None:
    assert group_of(size, ranks, ranks) == ShardingGroup(ranks, 1, ranks)


def test_ranks_that_do_not_fill_their_groups_are_refused_with_sizes_that_do() -> None:
    with pytest.raises(InputError, match=r"group_size = 4: 6 ranks .* one of 1, 2, 3, 6, or to 0"):
        group_of(4, ranks=6, node_ranks=6)


@pytest.mark.parametrize(
    ("sharding", "message"),
    [
        ({"rules": [{"kernel": ["fused_uvm_caching"]}]}, "'fused_uvm_caching' keeps tables in the"),
        ({"type": "data_parallel"}, "every table is data_parallel, so each rank has a copy"),
    ],
)
def test_what_groups_cannot_have_is_refused(
    make_spec: SpecMaker, sharding: dict[str, Any], message: str
) -> None:
    spec = make_spec(sharding={"group_size": 2, **sharding})
    with pytest.raises(InputError, match=f"sharding.group_size = 2: .*{message}"):
        make_plan(task_of(spec), spec, cluster_of(4, 4, "h200"))


def test_every_group_follows_the_plan_with_ranks_of_its_own(make_spec: SpecMaker) -> None:
    spec = make_spec(
        sharding={
            "type": "row_wise",
            "group_size": 2,
            "rules": [{"max_rows": 9, "type": ["data_parallel"]}],
        }
    )
    cluster = cluster_of(4, 4)
    group = sharding_group(spec.sharding, cluster)
    plan = make_plan(task_of(spec), spec, cluster)
    found = []
    for number in range(2):
        placed = placements(plan_of_group(plan, group, number, cluster))["large_g0"]
        assert placed.sharding_spec is not None
        found.append([shard.placement.rank() for shard in placed.sharding_spec.shards])
    assert found == [[0, 2], [1, 3]]
    own = placements(plan)["large_g0"].sharding_spec
    assert own is not None
    assert [shard.placement.rank() for shard in own.shards] == [0, 1]


def test_each_of_two_groups_holds_what_one_group_of_all_ranks_holds(make_spec: SpecMaker) -> None:
    manifest = read_manifest(make_spec().dataset_directory)

    def held(group_size: int) -> tuple[int, ...]:
        spec = make_spec(sharding={"type": "row_wise", "group_size": group_size})
        memory = fit(spec, manifest, cluster_of(4, 4)).memory
        assert memory is not None
        return memory.device

    two, whole = held(2), sum(held(0))
    assert two[0] + two[2] == two[1] + two[3] == whole
    # Neighbours hold the same.
    assert two[0] == two[1]
    assert two[2] == two[3]


def test_the_plan_tells_of_groups_and_of_what_they_average(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(sharding={"type": "row_wise", "group_size": 4})
    plan_command.main([str(write_spec(spec)), "--world-size", "8", "--device", "h200"])
    shown = capsys.readouterr().out
    assert "2 groups of 4 ranks" in shown
    assert "place p of group g is rank 2 p + g" in shown
    assert "between groups every step averages up to " in shown
    assert "rank 7: " in shown


def test_where_a_group_has_no_room_for_a_copy_larger_groups_are_named(
    make_spec: SpecMaker,
) -> None:
    """1.8 GiB of tables with Adagrad's state: 1.2 in two ranks do not hold them, 2.4 in four do."""
    spec = make_spec(
        sharding={
            "type": "row_wise",
            "group_size": 2,
            "reserved_share": 0.0,
            "hardware": {"hbm_gib": 0.6, "ddr_gib": 64.0},
        }
    )
    fields = tuple(Field(name, "categorical", 10_000_000) for name in ("user", "item"))
    manifest = replace(read_manifest(spec.dataset_directory), fields=fields)
    cluster = Cluster(named_hardware("h200", spec.sharding.hardware), 8, 8)
    outcome = fit(spec, manifest, cluster)
    assert "2 ranks of a group have room for 614.4 MiB each, 1.2 GiB together" in outcome.problem
    assert "does not fit: the tables take 1.8 GiB" in describe_fit(outcome, spec)
    found = {remedy.change: remedy.most for remedy in remedies(spec, manifest, outcome)}
    assert found["sharding.group_size=4"] < 0.6 * GIB
