"""The commands that mend an environment, fit to be copied."""

import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

# The triple that is tested, as pyproject.toml and docker/constraints.txt pin it.
TORCH, TORCHREC, FBGEMM = "2.13.0", "1.8.0", "1.8.0"

# Of the environment that is looked at: the pip of the PATH may be another's.
PIP = f"{shlex.quote(sys.executable)} -m pip"

# torchrec asks for fbgemm-gpu by name, so --no-deps. torch stays: where it has the right version it
# need not be fetched again, where it has another one pip replaces it.
CPU_TRIPLE = (
    f"{PIP} uninstall -y torchrec fbgemm-gpu fbgemm-gpu-cpu"
    f" && {PIP} install torch=={TORCH} fbgemm-gpu-cpu=={FBGEMM}"
    f" && {PIP} install --no-deps torchrec=={TORCHREC}"
)
# For pip the CPU build 2.13.0+cpu is torch 2.13.0 too, so it goes first.
CUDA_TRIPLE = (
    f"{PIP} uninstall -y torch torchrec fbgemm-gpu fbgemm-gpu-cpu"
    f" && {PIP} install torch=={TORCH} fbgemm-gpu=={FBGEMM} torchrec=={TORCHREC}"
)


def triple() -> str:
    """How to install the triple: for CPU or for CUDA where it is plain which, else for both."""
    if has_nvidia_driver():
        return CUDA_TRIPLE
    if not torch_is_for_cuda():
        return CPU_TRIPLE
    # A login node has no GPU, and a CPU machine may have got PyPI's build, which is for CUDA.
    return f"to train on CPU: {CPU_TRIPLE}\nto train on GPU nodes: {CUDA_TRIPLE}"


def has_nvidia_driver() -> bool:
    """Whether this machine, or the part of it that a container sees, has an NVIDIA driver."""
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidiactl").exists()


def torch_is_for_cuda() -> bool:
    """Whether the torch that is installed is a CUDA build: only that requires NVIDIA's packages."""
    try:
        required = metadata.requires("torch") or []
    except metadata.PackageNotFoundError:
        return False
    return any(name.startswith(("nvidia-", "cuda-")) for name in required)
