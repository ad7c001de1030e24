"""The memory and bandwidths of the hardware that a plan is made for, here or elsewhere.

Figures are of one device, in bytes and bytes a second, bandwidths one way. Memory of a CUDA device
is what CUDA reports, about 1 GiB less than its name says. Sources: NVIDIA's datasheets of H100
SXM5, H200 SXM and A100 SXM4 (memory, its bandwidth, NVLink's 900 or 600 GB/s both ways, PCIe 5.0 or
4.0 x16), and of DGX H100, H200, A100 640GB and A100 320GB for the node: its memory, eight devices,
a network card of 400 or 200 Gbit/s for each, and eight channels of DDR5-4800 or DDR4-3200 on each
of two processors, an eighth of which is a device's share. ``cuda`` and ``cpu`` have the figures of
TorchRec's planner (torchrec/distributed/planner/constants.py), but for traffic between CPUs, which
is gloo's.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from pipeline.distributed.node_memory import node_memory
from pipeline.distributed.runtime import Runtime
from pipeline.spec_sharding import HardwareSpec

GIB = 2**30
_GB = 1e9


@dataclass(frozen=True)
class Hardware:
    """What the planner is told of one device and its node.

    Attributes:
        name: as ``pipeline.plan --device`` has it.
        device: torch's kind of device.
        hbm_bytes: memory of the device; 0 for a CPU.
        node_bytes: memory of the node, shared by its ranks.
        hbm_bandwidth: of the device to its own memory.
        ddr_bandwidth: of a rank to its node's memory.
        host_bandwidth: of the device to its node's memory.
        intra_node_bandwidth: to the other devices of the node.
        inter_node_bandwidth: to other nodes.
    """

    name: str
    device: Literal["cpu", "cuda"]
    hbm_bytes: int
    node_bytes: int
    hbm_bandwidth: float
    ddr_bandwidth: float
    host_bandwidth: float
    intra_node_bandwidth: float
    inter_node_bandwidth: float


@dataclass(frozen=True)
class Cluster:
    """The ranks that a plan is made for.

    Attributes:
        hardware: the same for all.
        world_size: the number of ranks.
        node_ranks: those of one node.
    """

    hardware: Hardware
    world_size: int
    node_ranks: int

    @property
    def rank_bytes(self) -> int:
        """Memory of a rank: its device's, or its share of the node's for a CPU."""
        return self.hardware.hbm_bytes or self.host_bytes

    @property
    def host_bytes(self) -> int:
        """A rank's share of its node's memory."""
        return self.hardware.node_bytes // self.node_ranks


def _gpu(
    name: str, gib: int, node_gib: int, hbm: float, ddr: float, pcie: float, link: float, net: float
) -> Hardware:
    """A CUDA device from GiB and GB/s."""
    bandwidths = [figure * _GB for figure in (hbm, ddr, pcie, link, net)]
    return Hardware(name, "cuda", gib * GIB, node_gib * GIB, *bandwidths)


_KNOWN = (
    _gpu("h200", 139, 2048, 4800, 77, 64, 450, 50),
    _gpu("h100", 79, 2048, 3350, 77, 64, 450, 50),
    _gpu("a100-80", 79, 2048, 2039, 51, 32, 300, 25),
    _gpu("a100-40", 39, 1024, 1555, 51, 32, 300, 25),
    _gpu("cuda", 32, 1024, 963, 55, 34, 644, 13.4),
)
DEVICES = ("cpu", *(hardware.name for hardware in _KNOWN))


def named_hardware(name: str, figures: HardwareSpec) -> Hardware:
    """The hardware of one of ``DEVICES``; ``cpu`` is a node like this one."""
    known = {hardware.name: hardware for hardware in (*_KNOWN, _this_node())}
    return _with_figures(known[name], figures)


def cluster_here(runtime: Runtime, figures: HardwareSpec) -> Cluster:
    """The ranks of this job, taken to be as this one's device and node are."""
    found = _this_node() if runtime.device.type == "cpu" else _this_gpu(runtime.device)
    return Cluster(_with_figures(found, figures), runtime.world_size, runtime.local_world_size)


def _this_node() -> Hardware:
    return Hardware("cpu", "cpu", 0, node_memory(), 0, 55 * _GB, 55 * _GB, 2 * _GB, 1.25 * _GB)


def _this_gpu(device: torch.device) -> Hardware:
    """Memory as CUDA reports it, bandwidths by the name of the model."""
    properties = torch.cuda.get_device_properties(device)
    model = properties.name.lower()
    sized = f"a100-{'40' if properties.total_memory < 50 * GIB else '80'}"
    name = sized if "a100" in model else next((k for k in ("h200", "h100") if k in model), "cuda")
    known = next(hardware for hardware in _KNOWN if hardware.name == name)
    return replace(known, hbm_bytes=properties.total_memory, node_bytes=node_memory())


def _with_figures(hardware: Hardware, figures: HardwareSpec) -> Hardware:
    """The hardware with the spec's figures in the place of its own."""

    def given(figure: float | None, unit: float, known: float) -> float:
        return known if figure is None else figure * unit

    hbm = given(figures.hbm_gib, GIB, hardware.hbm_bytes)
    return replace(
        hardware,
        hbm_bytes=int(hbm) if hardware.device == "cuda" else 0,
        node_bytes=int(given(figures.ddr_gib, GIB, hardware.node_bytes)),
        hbm_bandwidth=given(figures.hbm_bandwidth, _GB, hardware.hbm_bandwidth),
        ddr_bandwidth=given(figures.ddr_bandwidth, _GB, hardware.ddr_bandwidth),
        host_bandwidth=given(figures.host_bandwidth, _GB, hardware.host_bandwidth),
        intra_node_bandwidth=given(
            figures.intra_node_bandwidth, _GB, hardware.intra_node_bandwidth
        ),
        inter_node_bandwidth=given(
            figures.inter_node_bandwidth, _GB, hardware.inter_node_bandwidth
        ),
    )
