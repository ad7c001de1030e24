"""Whether the libraries load and train, each tried in a process of its own, for it may crash."""

import shlex
import subprocess
import sys
from collections.abc import Iterator

from pipeline.doctor.finding import Finding, well

TIMEOUT_S = 300

# What the last line of a failure means. The errors are those that users of these libraries meet.
_KNOWN = (
    (
        "libtorch_cuda",
        "a CUDA build of fbgemm-gpu stands over a CPU build of torch",
        "pip uninstall -y fbgemm-gpu fbgemm-gpu-cpu, then pip install fbgemm-gpu-cpu at the "
        "version of torchrec; install torchrec with --no-deps, for it asks for the CUDA build",
    ),
    (
        "undefined symbol",
        "a library was built for another torch",
        "install a triple that belongs together: fbgemm 1.X, torchrec 1.X, torch 2.(X + 5)",
    ),
    (
        "No module named",
        "a package is missing",
        "make env, or pip install -c docker/constraints.txt -e '.[cpu]'",
    ),
    (
        "libcuda",
        "the CUDA driver is not there",
        "start the container with its GPUs (--gpus all), or use the CPU environment",
    ),
)


def check_libraries() -> Iterator[Finding]:
    """Imports torch, fbgemm_gpu and torchrec one after the other, then makes a small step."""
    for name in ("torch", "fbgemm_gpu", "torchrec"):
        finding = _try(f"import {name}", ["-c", f"import {name}; print({name}.__file__)"])
        yield finding
        if finding.state == "fault":
            return
    yield _try("small training step", ["-m", "pipeline.doctor.small_step"])


def _try(subject: str, arguments: list[str]) -> Finding:
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Finding(
            subject,
            "fault",
            f"no end after {TIMEOUT_S} s",
            "look at the machine's load; where a device hangs, restart its driver or the node",
        )
    if done.returncode == 0:
        return well(subject, done.stdout.strip().splitlines()[-1])
    again = shlex.join(["python", *arguments])
    return _explain(subject, done.stderr, done.returncode, again)


def _explain(subject: str, stderr: str, code: int, again: str) -> Finding:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {code}"
    for text, meaning, cure in _KNOWN:
        # fbgemm's loader prints the reason and raises something else.
        if any(text in line for line in lines):
            reason = next(line for line in reversed(lines) if text in line)
            return Finding(subject, "fault", f"{meaning}: {reason}", cure)
    crashed = f"killed by signal {-code}: " if code < 0 else ""
    return Finding(subject, "fault", crashed + last, f"see the whole error: {again}")
