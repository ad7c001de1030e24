"""Pages of every kind, as the program writes them, and a browser to look at them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Tab, chromium, executable

AXE = "axe-core@4.10"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from the file that AXE_CORE names or from npm."""
    if "AXE_CORE" in os.environ:
        return Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core is needed: name axe.min.js in AXE_CORE, or install npm")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm cannot install {AXE}; name axe.min.js in AXE_CORE")
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    pytest.importorskip("websocket", reason="websocket-client is needed")
    if executable() is None:
        pytest.skip("Chromium is needed")
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
