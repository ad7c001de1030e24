"""Where the limits of a process's cgroups stand: its container's, its batch job's."""

from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
# A line for each hierarchy, ``number:controllers:/path``; version 2's has no controllers.
OWN_GROUPS = Path("/proc/self/cgroup")


def group_folders(controller: str) -> Iterator[Path]:
    """Every group that this process is in, from its own up to the root: a limit of any one holds.

    A container sees its own group as the root; Slurm's job is groups below it.

    Args:
        controller: ``cpu`` or ``memory``. In version 2 all have the same groups.
    """
    lines = OWN_GROUPS.read_text().splitlines() if OWN_GROUPS.is_file() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and controller not in controllers.split(","):
            continue
        root = MOUNTED / controller if controllers else MOUNTED
        group = Path(path.lstrip("/"))
        yield from (root / folder for folder in (group, *group.parents))


def read_limit(file: Path) -> list[str]:
    """The words of a limit's file; none where there is no such file."""
    return file.read_text().split() if file.is_file() else []
