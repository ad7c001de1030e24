"""Environments that pip has really broken, and whether what the doctor says mends them.

Each has fbgemm or torch of its own and takes all else from this environment. The wheels are half a
gigabyte each; where they cannot be had the tests are skipped.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Environment:
    """One in ``folder``, whose programs come first on the PATH of all that it runs."""

    folder: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a line of shell."""
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True
        )

    def install(self, *requirements: str) -> None:
        """Installs one after the other, without what they need."""
        for one in requirements:
            # Else what the outer environment has would count as installed.
            done = self.run(
                f"python -m pip install --ignore-installed --no-deps --no-cache-dir {one}"
            )
            if done.returncode != 0:
                pytest.skip(f"{one}: {done.stderr.strip().splitlines()[-1]}")

    def visit(self) -> tuple[int, str]:
        """The doctor's exit code and what it says."""
        done = self.run(f"python -m pipeline.doctor {self.folder / 'runs'}")
        assert done.stderr == ""
        return done.returncode, done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    outer = sysconfig.get_path("purelib")
    (site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    yield Environment(folder)
    shutil.rmtree(folder)


def first_cure(said: str) -> str:
    """The first thing that the doctor says is to do."""
    return next(line for line in said.splitlines() if "do: " in line).partition("do: ")[2]


def test_the_cuda_fbgemm_over_the_cpu_one(environment: Environment) -> None:
    environment.install("fbgemm-gpu-cpu==1.8.0", "fbgemm-gpu==1.8.0")
    code, said = environment.visit()
    assert code == 1
    assert "FAULT    fbgemm files: fbgemm-gpu-cpu 1.8.0 and fbgemm-gpu 1.8.0 (for CUDA) own" in said
    assert "what lies there is fbgemm-gpu\n" in said
    assert "FAULT    import fbgemm_gpu: a CUDA build of fbgemm stands over a CPU build" in said
    assert environment.run(first_cure(said)).returncode == 0
    code, said = environment.visit()
    assert code == 0, said


def test_an_fbgemm_of_another_torch(environment: Environment) -> None:
    environment.install("fbgemm-gpu-cpu==1.7.0")
    code, said = environment.visit()
    assert code == 1
    assert "torch 2.13 belongs to torchrec and fbgemm 1.8" in said
    assert "FAULT    import fbgemm_gpu: fbgemm was built for another torch" in said
    assert "undefined symbol: " in said
    assert environment.run(first_cure(said)).returncode == 0
    code, said = environment.visit()
    assert code == 0, said


def test_a_wrong_torch(environment: Environment) -> None:
    """PyPI's, without NVIDIA's libraries of 2 GB; the cure would fetch as much."""
    environment.install("torch==2.12.1")
    code, said = environment.visit()
    assert code == 1
    assert "FAULT    triple: torch 2.12.1" in said
    assert "torch 2.12 belongs to torchrec and fbgemm 1.7" in said
    assert "-m pip install torch==2.13.0 fbgemm-gpu-cpu==1.8.0" in said
