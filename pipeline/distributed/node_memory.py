"""The memory that this process's node has for it: the machine's, or what its cgroups leave."""

import os
from collections.abc import Iterator

from pipeline.cgroups import group_folders, read_limit


def node_memory() -> int:
    """Bytes that this machine has, or that its container or Slurm's job may take."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_limits()])


def _limits() -> Iterator[int]:
    """Every limit on memory of the process's cgroups."""
    for folder in group_folders("memory"):
        limit = read_limit(folder / "memory.max") or read_limit(folder / "memory.limit_in_bytes")
        if limit and limit[0].isdigit():  # not "max", which is none
            yield int(limit[0])
