"""Whether the libraries load and train, and on what."""

from collections.abc import Iterator

from pipeline.doctor.cures import CUDA_TRIPLE, has_nvidia_driver
from pipeline.doctor.finding import Finding
from pipeline.doctor.trial import attempt

# What each prints when it has loaded: version, build and folder.
_TORCH = (
    "import torch as t; cuda = t.version.cuda; "
    "print(t.__version__, f'for CUDA {cuda}' if cuda else 'for CPU', t.__path__[0], sep=', ')"
)
_FBGEMM = (
    "import fbgemm_gpu as f; "
    "print(f.__version__, f'{f.__variant__} build', f.__path__[0], sep=', ')"
)
_TORCHREC = "import torchrec; print(torchrec.__version__, torchrec.__path__[0], sep=', ')"
_LOADING = (("torch", _TORCH), ("fbgemm_gpu", _FBGEMM), ("torchrec", _TORCHREC))
_STEP = "small training step"


def check_libraries() -> Iterator[Finding]:
    """Imports torch, fbgemm_gpu and torchrec, looks at the devices and makes a small step."""
    names = [name for name, _ in _LOADING]
    for i, (name, code) in enumerate(_LOADING):
        finding = attempt(f"import {name}", ["-c", code])
        yield finding
        if finding.state == "fault":
            rest = ", ".join([*(f"import {later}" for later in names[i + 1 :]), _STEP])
            yield Finding(rest, "skipped", f"{name} must load first")
            return
    yield _check_devices()
    yield attempt(_STEP, ["-m", "pipeline.doctor.small_step"])


def _check_devices() -> Finding:
    finding = attempt("devices", ["-m", "pipeline.doctor.devices"])
    if finding.state == "fault" and not has_nvidia_driver():
        found = "torch is for CUDA, and no NVIDIA driver is to be seen: training would run on CPU"
        cure = "right on a login node; on a GPU node start the container with its GPUs (--gpus all)"
        return Finding("devices", "warning", found, cure)
    if finding.found.startswith("CPU") and has_nvidia_driver():
        found = "there is an NVIDIA driver, and torch is for CPU: the GPU is not used"
        return Finding("devices", "warning", found, CUDA_TRIPLE)
    return finding
