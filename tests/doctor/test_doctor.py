"""The doctor in environments that are really broken, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILE = ("cc", "-shared", "-fPIC")
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


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


def pretend_installed(site: Path, name: str, version: str) -> None:
    """A distribution's metadata, as pip leaves it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(METADATA.format(name=name, version=version))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_a_sound_environment_has_no_fault_and_makes_a_training_step(runs: Path) -> None:
    done = visit(runs)
    assert done.returncode == 0, done.stdout
    assert "ok       small training step: " in done.stdout
    assert " 0 faults" in done.stdout


def test_the_cuda_fbgemm_over_the_cpu_one_is_named_with_its_cure(
    runs: Path, tmp_path: Path
) -> None:
    """A library that needs libtorch_cuda.so beside a torch that has none, as pip leaves it."""
    site = tmp_path / "site"
    pretend_installed(site, "fbgemm-gpu", "1.8.0")
    package = site / "fbgemm_gpu"
    package.mkdir()
    source = "int unused;"
    library = package / "fbgemm_gpu_py.so"
    # Linked against a library that is nowhere to be found once it is built.
    stub = tmp_path / "libtorch_cuda.so"
    for output, flags in ((stub, []), (library, ["-L", tmp_path, "-ltorch_cuda"])):
        command = [
            "cc",
            "-shared",
            "-fPIC",
            "-Wl,--no-as-needed",
            "-x",
            "c",
            "-",
            "-o",
            str(output),
        ]
        subprocess.run([*command, "-x", "none", *flags], input=source, text=True, check=True)
    stub.unlink()
    (package / "__init__.py").write_text(
        "import pathlib, torch\n"
        "torch.ops.load_library(pathlib.Path(__file__).with_name('fbgemm_gpu_py.so'))\n"
    )
    done = visit(runs, site)
    assert done.returncode == 1
    assert "FAULT    fbgemm builds: fbgemm-gpu-cpu 1.8.0 and fbgemm-gpu 1.8.0 share" in done.stdout
    assert "FAULT    import fbgemm_gpu: a CUDA build of fbgemm-gpu stands over a CPU" in done.stdout
    assert "do: pip uninstall -y fbgemm-gpu fbgemm-gpu-cpu" in done.stdout


@pytest.mark.slow
def test_a_wrong_torch_is_named_with_its_cure(runs: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pretend_installed(site, "torch", "2.12.1")
    done = visit(runs, site)
    assert done.returncode == 1
    assert "FAULT    triple: torch 2.12.1" in done.stdout
    assert "do: install three that belong together" in done.stdout


def test_an_undefined_symbol_is_explained(runs: Path, tmp_path: Path) -> None:
    package = tmp_path / "site" / "fbgemm_gpu"
    package.mkdir(parents=True)
    library = package / "needs.so"
    command = [*COMPILE, "-x", "c", "-", "-o", library]
    source = "int missing_in_this_torch(void); int call(void) { return missing_in_this_torch(); }"
    subprocess.run(command, input=source, text=True, check=True)
    (package / "__init__.py").write_text(
        "import ctypes, os, pathlib\n"
        "ctypes.CDLL(str(pathlib.Path(__file__).with_name('needs.so')), os.RTLD_NOW)\n"
    )
    done = visit(runs, tmp_path / "site")
    assert done.returncode == 1
    assert "a library was built for another torch" in done.stdout
    assert "undefined symbol: missing_in_this_torch" in done.stdout
