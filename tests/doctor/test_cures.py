"""The commands that mend an environment."""

import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from broken_sites import pretend_installed

from pipeline.doctor import cures

ROOT = Path(__file__).parents[2]
CUDA_TORCH = ('nvidia-nccl-cu13==2.29.7; platform_system == "Linux"',)


def test_they_install_what_the_project_pins() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cpu, cuda = (extras["optional-dependencies"][name] for name in ("cpu", "cuda"))
    assert {pin for pin in cpu if pin.startswith(("torch==", "fbgemm"))} <= set(
        cures.CPU_TRIPLE.split()
    )
    assert set(cuda) <= set(cures.CUDA_TRIPLE.split())


@pytest.mark.parametrize("command", [cures.CPU_TRIPLE, cures.CUDA_TRIPLE])
def test_they_mend_the_environment_that_was_looked_at(command: str) -> None:
    for step in command.split(" && "):
        assert shlex.split(step)[:3] == [sys.executable, "-m", "pip"]


def test_a_machine_with_a_driver_gets_the_cuda_triple(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program := tmp_path / "nvidia-smi").touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cures.triple() == cures.CUDA_TRIPLE


@pytest.mark.skipif(cures.has_nvidia_driver(), reason="this machine has an NVIDIA driver")
def test_a_machine_without_one_gets_the_cpu_triple_and_both_where_torch_is_for_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    pretend_installed(tmp_path / "cpu", "torch", "2.13.0+cpu")
    pretend_installed(tmp_path / "cuda", "torch", "2.13.0", CUDA_TORCH)
    monkeypatch.syspath_prepend(tmp_path / "cpu")
    assert cures.triple() == cures.CPU_TRIPLE
    monkeypatch.syspath_prepend(tmp_path / "cuda")
    first, second = cures.triple().splitlines()
    assert first == f"to train on CPU: {cures.CPU_TRIPLE}"
    assert second == f"to train on GPU nodes: {cures.CUDA_TRIPLE}"
