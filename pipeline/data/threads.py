"""How many threads prepare works in."""

import math
import os
from collections.abc import Iterator

from pipeline.cgroups import group_folders, read_limit


def thread_count(wanted: int) -> int:
    """As many threads as are wanted; for 0, one for each CPU that this process may use.

    These are fewer than the machine's where a batch system or a container leaves it fewer.
    """
    return wanted or min([len(os.sched_getaffinity(0)), *_within_quotas()])


def _within_quotas() -> Iterator[int]:
    """The CPUs that the process's cgroups have the time of, begun ones included."""
    for folder in group_folders("cpu"):
        # Microseconds in a period of others: version 2's, in which none is "max", and version 1's.
        quota = read_limit(folder / "cpu.max") or [
            *read_limit(folder / "cpu.cfs_quota_us"),
            *read_limit(folder / "cpu.cfs_period_us"),
        ]
        if quota and quota[0].isdigit():  # not "max" and not "-1", which are none
            yield math.ceil(int(quota[0]) / int(quota[1]))
