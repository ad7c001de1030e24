"""The memory that this process's node has for it: the machine's, or what its cgroups leave."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def node_memory() -> int:
    """Bytes that this machine has, or that its container or Slurm's job may take."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *cgroup_limits(CGROUPS, OWN_CGROUPS)])


def cgroup_limits(mounted: Path, own: Path) -> Iterator[int]:
    """Every limit on memory of the groups that a process is in, from its own up to the root.

    A container sees its own group as the root; Slurm's job is groups below it.

    Args:
        mounted: where the groups are: all (version 2), or a folder a controller (version 1).
        own: the file that names the process's groups, ``number:controllers:/path`` a line.
    """
    lines = own.read_text().splitlines() if own.is_file() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers not in ("", "memory"):
            continue
        root = mounted / controllers
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            file = root / folder / name
            text = file.read_text().strip() if file.is_file() else ""
            if text.isdigit():  # not "max", which is none
                yield int(text)
