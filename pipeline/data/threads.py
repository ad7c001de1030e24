"""How many threads prepare works in."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def thread_count(wanted: int) -> int:
    """As many threads as are wanted; for 0, one for each CPU that this process may use.

    These are fewer than the machine's where a batch system or a container leaves it fewer.
    """
    return wanted or min([len(os.sched_getaffinity(0)), *_within_quota(QUOTA)])


def _within_quota(file: Path) -> Iterator[int]:
    """The CPUs that a container has the time of, begun ones included, where that is limited.

    Args:
        file: the microseconds that it may take, or ``max``, in a period of others.
    """
    time, period = file.read_text().split() if file.is_file() else ("max", "")
    if time != "max":
        yield math.ceil(int(time) / int(period))
