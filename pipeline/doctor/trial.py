"""Tries something in a process of its own, for it may crash, and explains how it failed."""

import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass

from pipeline.doctor.cures import triple
from pipeline.doctor.finding import Finding, well

TIMEOUT_S = 600

_NO_DRIVER = (
    "on a GPU node: install NVIDIA's driver, or start the container with its GPUs (--gpus all); "
    "elsewhere this environment does not load: run this on a GPU node, or make a CPU environment"
)


@dataclass(frozen=True)
class _Known:
    """An error that users of these libraries meet.

    Attributes:
        pattern: what it says, a regular expression.
        meaning: what that means.
        cure: what to do; empty for installing the triple anew.
    """

    pattern: str
    meaning: str
    cure: str = ""


_KNOWN = (
    _Known("libtorch_cuda|libc10_cuda", "a CUDA build of fbgemm stands over a CPU build of torch"),
    _Known("undefined symbol|_OpNamespace", "fbgemm was built for another torch"),
    _Known(r"libcuda\.so|libnvidia-ml", "a CUDA build of fbgemm needs NVIDIA's driver", _NO_DRIVER),
    _Known(
        r"lib(cu|nccl|nv)\w+\.so\S*: cannot open",
        "a CUDA build of torch without NVIDIA's libraries (installed with --no-deps?)",
    ),
    _Known(
        "driver on your system is too old|driver version is insufficient",
        "NVIDIA's driver is older than the CUDA that torch was built with",
        "update the driver of the node, or install a torch for an older CUDA with its own triple",
    ),
    _Known(
        "no kernel image is available",
        "the libraries have no kernels for this GPU",
        "use a GPU whose architecture both are built for; fbgemm lists its own with each release",
    ),
    _Known(
        r"GLIBC(XX)?_\S+. not found",
        "this system is older than the libraries were built for",
        "use the container image (docker/README.md), or a newer system",
    ),
    _Known(r"No module named '(torch|torchrec|fbgemm_gpu)\b", "it is not installed"),
    _Known("No module named", "a package is missing", "install what is named under packages"),
)


def attempt(subject: str, arguments: list[str], timeout: float = TIMEOUT_S) -> Finding:
    """Runs Python with arguments; its last line of output says how it went well."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        cure = "look at the machine's load; where a device hangs, restart its driver or the node"
        return Finding(subject, "fault", f"no end after {timeout:.0f} s", cure)
    if done.returncode == 0 and done.stdout.strip():
        return well(subject, done.stdout.strip().splitlines()[-1])
    return _explain(subject, done, shlex.join([sys.executable, *arguments]))


def _explain(subject: str, done: subprocess.CompletedProcess[str], again: str) -> Finding:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    for known in _KNOWN:
        # fbgemm's loader prints the reason and raises something else, so any line may have it.
        said = [line for line in lines if re.search(known.pattern, line)]
        if said:
            found = f"{known.meaning}: {said[-1]}"
            return Finding(subject, "fault", found, known.cure or triple())
    last = lines[-1] if lines else f"exit code {done.returncode}"
    if done.returncode == -signal.SIGILL:
        cure = "use a CPU with AVX2, which fbgemm needs"
        return Finding(subject, "fault", f"this CPU lacks an instruction: {last}", cure)
    crash = f"killed by signal {-done.returncode}: " if done.returncode < 0 else ""
    return Finding(subject, "fault", crash + last, f"see the whole error: {again}")
