import importlib
import sys
from pathlib import Path

import pytest

MODULE = """
from numba import types
from pipeline.data.machine_code import kernel

@kernel(types.int64)
def double(number):
    return 2 * number
"""


@pytest.mark.parametrize("writable", [True, False])
def test_kernels_work_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    (tmp_path / "doubling.py").write_text(MODULE)
    if not writable:
        # A file where the directory would be: also the superuser cannot write there.
        (tmp_path / "__pycache__").touch()
        for variable in ("HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(variable, "/dev/null/home")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert importlib.import_module("doubling").double(21) == 42
    monkeypatch.delitem(sys.modules, "doubling")
    assert bool(list(tmp_path.glob("__pycache__/*.nbi"))) == writable
