"""Freed CPU memory stays in the process."""

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
import torch
from pipeline.distributed.freed_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
inputs = torch.ones(16384, 1024, requires_grad=True)
def step():
    inputs.sin().cos().sin().sum().backward()
    inputs.grad = None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
after = [step() for _ in range(8)]
print(after[7] - after[3])
"""


def page_faults(mode: str) -> int:
    """Of four training steps whose activations are tensors of 64 MiB."""
    command = [sys.executable, "-c", COUNT_FAULTS, mode]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_activations_take_the_pages_of_the_step_before() -> None:
    assert page_faults("kept") < page_faults("returned") / 4
