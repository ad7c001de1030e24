"""The doctor in environments that are really broken, each in a process of its own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from broken_sites import package_needing, pretend_installed, shared_library

ROOT = Path(__file__).parents[2]
PIP = f"{shlex.quote(sys.executable)} -m pip"
CPU_CURE = (
    f"do: {PIP} uninstall -y torchrec fbgemm-gpu fbgemm-gpu-cpu"
    f" && {PIP} install torch==2.13.0 fbgemm-gpu-cpu==1.8.0"
    f" && {PIP} install --no-deps torchrec==1.8.0"
)


def visit(folder: Path, *first_on_path: Path) -> subprocess.CompletedProcess[str]:
    """Runs the doctor with folders in front of all that is installed."""
    path = os.pathsep.join(map(str, (*first_on_path, ROOT)))
    return subprocess.run(
        [sys.executable, "-m", "pipeline.doctor", folder],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def test_a_sound_environment_has_no_fault_and_makes_a_training_step(runs: Path) -> None:
    done = visit(runs)
    assert done.returncode == 0, done.stdout
    for line in ("fbgemm files: ", "devices: ", "small training step: ", "TorchX components: "):
        assert f"ok       {line}" in done.stdout
    assert "faults: 0" in done.stdout


def test_the_cuda_fbgemm_over_the_cpu_one_is_named_with_its_cure(runs: Path, site: Path) -> None:
    """A library that needs libtorch_cuda.so beside a torch that has none, as pip leaves it."""
    size = {"fbgemm_gpu/needs.so": 1}
    pretend_installed(site, "fbgemm-gpu-cpu", "1.8.0", sizes=size)
    package_needing(site, "fbgemm_gpu", "libtorch_cuda.so")
    true_size = (site / "fbgemm_gpu" / "needs.so").stat().st_size
    pretend_installed(site, "fbgemm-gpu", "1.8.0", sizes={"fbgemm_gpu/needs.so": true_size})
    done = visit(runs, site)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAULT    fbgemm files: fbgemm-gpu-cpu 1.8.0 and fbgemm-gpu 1.8.0 (for" in done.stdout
    assert "what lies there is fbgemm-gpu\n" in done.stdout
    assert CPU_CURE in done.stdout
    assert "FAULT    import fbgemm_gpu: a CUDA build of fbgemm stands over a CPU" in done.stdout
    assert "do: the same as above" in done.stdout
    assert "skipped  import torchrec, small training step: fbgemm_gpu must load" in done.stdout


def test_a_wrong_torch_is_named_with_its_cure(runs: Path, site: Path) -> None:
    """PyPI's build of another torch, installed without NVIDIA's packages."""
    pretend_installed(site, "torch", "2.12.1")
    package_needing(site, "torch", "libcudnn.so.9")
    done = visit(runs, site)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAULT    triple: torch 2.12.1, torchrec 1.8.0, fbgemm-gpu-cpu 1.8.0" in done.stdout
    assert "torch 2.12 belongs to torchrec and fbgemm 1.7" in done.stdout
    assert CPU_CURE in done.stdout
    assert "FAULT    import torch: a CUDA build of torch without NVIDIA's libraries" in done.stdout


def test_an_undefined_symbol_is_explained(runs: Path, site: Path) -> None:
    package_needing(site, "fbgemm_gpu", "libc.so.6")
    source = "int missing_in_this_torch(void); int call(void) { return missing_in_this_torch(); }"
    shared_library(site / "fbgemm_gpu" / "needs.so", source)
    done = visit(runs, site)
    assert done.returncode == 1
    assert "import fbgemm_gpu: fbgemm was built for another torch" in done.stdout
    assert "undefined symbol: missing_in_this_torch" in done.stdout
    assert CPU_CURE in done.stdout


def test_a_cuda_fbgemm_where_there_is_no_driver_is_explained(runs: Path, site: Path) -> None:
    package_needing(site, "fbgemm_gpu", "libnvidia-ml.so.1")
    done = visit(runs, site)
    assert "import fbgemm_gpu: a CUDA build of fbgemm needs NVIDIA's driver: " in done.stdout
    assert "--gpus all" in done.stdout


def test_an_option_is_no_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.doctor", "--verbose"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --verbose: no such option; give a FOLDER or nothing\n"
