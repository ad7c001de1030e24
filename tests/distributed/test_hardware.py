"""What the planner is told of devices, here and elsewhere."""

import os

import pytest

from pipeline.distributed.hardware import (
    DEVICES,
    GIB,
    Cluster,
    cluster_here,
    named_hardware,
)
from pipeline.distributed.runtime import start_runtime
from pipeline.spec_sharding import HardwareSpec

NONE_GIVEN = HardwareSpec()


def test_ranks_of_a_cpu_share_their_nodes_memory() -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with start_runtime("cpu") as runtime:
        alone = cluster_here(runtime, NONE_GIVEN)
    assert 0 < alone.rank_bytes <= machine
    eight = Cluster(alone.hardware, world_size=16, node_ranks=8)
    assert eight.rank_bytes == eight.host_bytes == alone.rank_bytes // 8


def test_a_gpu_has_its_own_memory_and_a_share_of_its_nodes() -> None:
    cluster = Cluster(named_hardware("h200", NONE_GIVEN), world_size=16, node_ranks=8)
    assert cluster.rank_bytes == 139 * GIB
    assert cluster.host_bytes == 2048 * GIB // 8


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_is_nearer_to_itself_than_to_others(name: str) -> None:
    hardware = named_hardware(name, NONE_GIVEN)
    near = hardware.ddr_bandwidth if hardware.device == "cpu" else hardware.hbm_bandwidth
    assert near > hardware.intra_node_bandwidth > hardware.inter_node_bandwidth > 0
    assert (hardware.hbm_bytes > 0) == (hardware.device == "cuda")


def test_given_figures_take_the_place_of_known_ones_and_no_others() -> None:
    figures = HardwareSpec(hbm_gib=1.5, inter_node_bandwidth=100.0)
    known, given = named_hardware("h100", NONE_GIVEN), named_hardware("h100", figures)
    assert given.hbm_bytes == int(1.5 * GIB)
    assert given.inter_node_bandwidth == 100e9
    assert given.hbm_bandwidth == known.hbm_bandwidth
    assert named_hardware("cpu", figures).hbm_bytes == 0
