"""What the machine gives: a name that resolves, shared memory, places to write."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from pipeline.doctor.finding import Finding, well

SHARED_MEMORY = Path("/dev/shm")
# NCCL takes some 10 to 30 MB a connection there; containers start with 64 MiB.
SHARED_MEMORY_BYTES = 1 << 30
# Beside the module that has the kernels.
OWN_CACHE = Path(__file__).parents[1] / "data" / "__pycache__"


def check_machine(folder: Path) -> Iterator[Finding]:
    """All that needs no library.

    Args:
        folder: where runs are to be written.
    """
    yield _check_name(socket.gethostname())
    yield _check_shared_memory(SHARED_MEMORY)
    yield _check_writable(
        "runs", lambda: folder, "set run.directory to a folder that you may write to"
    )
    yield _check_writable(
        "temporary files",
        lambda: Path(tempfile.gettempdir()),
        "set TMPDIR to a folder you may write to",
    )
    yield _check_kernels()


def _check_name(name: str) -> Finding:
    try:
        address = socket.gethostbyname(name)
    except OSError:
        return Finding(
            "host name",
            "fault",
            f"{name!r} does not resolve, so torchrun's ranks wait minutes for each other",
            f"add it to /etc/hosts: 127.0.0.1 {name}",
        )
    return well("host name", f"{name} is {address}")


def _check_shared_memory(folder: Path) -> Finding:
    if not folder.is_dir():
        return well("shared memory", f"this system has no {folder}")
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**20:,.0f} MiB free in {folder}"
    if free >= SHARED_MEMORY_BYTES:
        return well("shared memory", found)
    return Finding(
        "shared memory",
        "warning",
        f"{found}: with GPUs NCCL ends in a bus error when it is full",
        "start the container with --shm-size 8g or --ipc host; on Kubernetes mount an emptyDir "
        "with medium: Memory on /dev/shm",
    )


def _check_kernels() -> Finding:
    """The first place that can be written to is taken (pipeline/data/machine_code.py)."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    places: list[Callable[[], Path]] = [lambda: OWN_CACHE, lambda: Path.home() / ".cache"]
    if named:
        places.insert(0, partial(Path, named))
    findings = [
        _check_writable(
            "compiled kernels",
            choose,
            "set NUMBA_CACHE_DIR to a folder you may write to; without one every process compiles "
            "the kernels of prepare anew, which takes some 13 s of CPU",
            state="warning",
        )
        for choose in places
    ]
    return next((one for one in findings if one.state == "ok"), findings[-1])


def _check_writable(
    subject: str,
    choose: Callable[[], Path],
    cure: str,
    state: Literal["warning", "fault"] = "fault",
) -> Finding:
    """Tries the nearest folder that exists, for others are made when needed."""
    try:
        folder = choose()
    except (OSError, RuntimeError) as error:
        # No temporary folder takes a file; no home is known.
        return Finding(subject, state, f"no folder is found: {error}", cure)
    tried = folder
    try:
        tried = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=tried):
            free = shutil.disk_usage(tried).free
    except OSError as error:
        found = f"{tried} cannot be written to: {error.strerror}"
        return Finding(subject, state, found, cure)
    return well(subject, f"{folder}, {free / 2**30:,.0f} GiB free")
