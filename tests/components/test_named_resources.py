"""Nodes by name: registered with TorchX, and no larger than the nodes that they stand for."""

import pytest
from torchx.specs import named_resources

# Virtual cpus and memory (MB of 2^20 bytes) of the smallest such nodes that are let, as published:
# Azure's ND96isr_H100_v5 for the cpus and Google's a3-highgpu-8g (1,872 GB) for the memory, Azure's
# ND96isr_H200_v5, Google's a2-highgpu-8g (680 GB).
NODES = {
    "h100_8": (96, 8, 1872 * 10**9 // 2**20),
    "h200_8": (96, 8, 1850 * 1024),
    "a100_8": (96, 8, 680 * 10**9 // 2**20),
    "cpu_16": (16, 0, 64 * 1024),
    "cpu_64": (64, 0, 256 * 1024),
}


@pytest.mark.parametrize("name", NODES)
def test_leaves_the_node_its_share_and_wastes_no_more(name: str) -> None:
    resource = named_resources[name]
    cpu, gpu, memory = NODES[name]
    assert resource.gpu == gpu
    assert 0.85 * cpu <= resource.cpu < cpu
    assert 0.85 * memory <= resource.memMB <= 0.92 * memory


@pytest.mark.parametrize("name", [name for name, node in NODES.items() if node[1]])
def test_gives_every_process_of_a_gpu_as_many_cpus(name: str) -> None:
    resource = named_resources[name]
    assert resource.cpu % resource.gpu == 0


def test_torchxs_own_stay_registered() -> None:
    assert named_resources["aws_p5.48xlarge"].gpu == 8
