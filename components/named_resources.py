"""Nodes by name, for ``-h`` of every component: ``torchx run mep.train -h h100_8 ...``.

Each asks for what the smallest of its kind at the large providers has, less what the node keeps for
itself: some cpus and a tenth of the memory. So a request fits on every node of the kind, and is
nearly all of most. Virtual cpus (threads) and memory of a whole node, as published:

    8 x H100   96 and 1,900 GiB (Azure ND96isr_H100_v5), 208 and 1,872 GB (Google a3-highgpu-8g),
               192 and 2,048 GiB (AWS p5.48xlarge), 224 and 2 TB (NVIDIA DGX H100)
    8 x H200   96 and 1,850 GiB (Azure ND96isr_H200_v5), 224 and 2,952 GB (Google a3-ultragpu-8g),
               192 and 2,048 GiB (AWS p5en.48xlarge), 224 and 2 TB (NVIDIA DGX H200)
    8 x A100   96 and 680 GB (Google a2-highgpu-8g), 96 and 900 GiB (Azure ND96asr_v4),
               96 and 1,152 GiB (AWS p4d.24xlarge), 256 and 1 TB (NVIDIA DGX A100)
    CPU        16 and 64 GiB, 64 and 256 GiB: the general-purpose sizes of all three

They name no instance type and no network device, which are a provider's own: TorchX has those of
AWS (``-h aws_p5.48xlarge``).
"""

from torchx.specs import Resource

GIB = 1024
# A multiple of the GPUs, so that every process has as many.
CPUS_BESIDE_8_GPUS = 88


def h100_8() -> Resource:
    """A node of 8 H100: nine tenths of 1,872 GB."""
    return Resource(cpu=CPUS_BESIDE_8_GPUS, gpu=8, memMB=1568 * GIB)


def h200_8() -> Resource:
    """A node of 8 H200: nine tenths of 1,850 GiB."""
    return Resource(cpu=CPUS_BESIDE_8_GPUS, gpu=8, memMB=1664 * GIB)


def a100_8() -> Resource:
    """A node of 8 A100, of 40 or 80 GB: nine tenths of 680 GB."""
    return Resource(cpu=CPUS_BESIDE_8_GPUS, gpu=8, memMB=568 * GIB)


def cpu_16() -> Resource:
    """A node of 16 cpus and 64 GiB."""
    return Resource(cpu=14, gpu=0, memMB=56 * GIB)


def cpu_64() -> Resource:
    """A node of 64 cpus and 256 GiB."""
    return Resource(cpu=60, gpu=0, memMB=230 * GIB)
