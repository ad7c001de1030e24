"""What make refuses to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_cpu_build_is_not_installed_over_the_cuda_build(tmp_path: Path) -> None:
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (packages / "fbgemm_gpu-1.8.0.dist-info").mkdir(parents=True)
    command = ["make", "env", f"VENV={tmp_path / 'env'}", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'env'} holds the CUDA build of fbgemm")
    assert [path.name for path in (tmp_path / "env").iterdir()] == ["lib"]
