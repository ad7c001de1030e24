"""The scheduler of Kubernetes, with a server's answers in the place of a cluster."""

import io
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import urllib3
from small_stages import finished
from torchx.specs import AppState

kubernetes = pytest.importorskip("kubernetes")

ROOT = Path(__file__).parents[2]
LOG = (
    b"2026-01-31T12:00:00.123456789Z [0]:epoch 1\n"
    b"2026-01-31T12:00:01Z\n"
    b"2026-01-31T13:00:02.5+01:00 error: a.toml: no such spec file\n"
    b"2026-01-31T12:00:03.1Z   at 2026-01-31T12:00:03.1Z\n"
)
LINES = [
    "[0]:epoch 1\n",
    "\n",
    "error: a.toml: no such spec file\n",
    "  at 2026-01-31T12:00:03.1Z\n",
]


class Body(io.BytesIO):
    """Closes at its end, as a connection does."""

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        if not piece:
            self.close()
        return piece


class Server:
    """Answers every request alike, in the place of the client's pool of connections."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status = body, status
        self.asked: list[tuple[str, dict[str, str]]] = []

    def request(
        self, method: str, url: str, fields: Any, preload_content: bool, **others: Any
    ) -> urllib3.HTTPResponse:
        self.asked.append((url, dict(fields)))
        return urllib3.HTTPResponse(
            Body(self.body), status=self.status, preload_content=preload_content
        )


def scheduler_of(server: Server) -> Any:
    """The scheduler that pyproject.toml registers, with a client of the server."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    registered = project["entry-points"]["torchx.schedulers"]["kubernetes"]
    create = EntryPoint("kubernetes", registered, "torchx.schedulers").load()
    scheduler = create("test")
    client = kubernetes.client.ApiClient(kubernetes.client.Configuration(host="http://cluster"))
    client.rest_client.pool_manager = server
    scheduler._client = client
    return scheduler


AS_BYTES = pytest.mark.skipif(
    kubernetes.__version__.startswith("36."), reason="this client gives a whole log as str(bytes)"
)


@pytest.mark.parametrize("should_tail", [True, pytest.param(False, marks=AS_BYTES)])
def test_lines_of_a_log_are_as_the_process_wrote_them(should_tail: bool) -> None:
    server = Server(LOG)
    lines = scheduler_of(server).log_iter("jobs:train-x1", "train", 1, should_tail=should_tail)
    assert list(lines) == LINES
    ((url, parameters),) = server.asked
    assert url == "http://cluster/api/v1/namespaces/jobs/pods/train-x1-train-1-0/log"
    assert ("follow" in parameters) == should_tail


def test_lines_are_chosen_by_what_the_process_wrote() -> None:
    lines = scheduler_of(Server(LOG)).log_iter(
        "jobs:train-x1", "train", regex="^error: ", should_tail=True
    )
    assert list(lines) == [LINES[2]]


def test_a_job_that_is_gone_is_none() -> None:
    server = Server(b'{"reason": "NotFound"}', status=404)
    assert scheduler_of(server).describe("jobs:train-x1") is None


def test_a_job_that_is_there_has_its_state() -> None:
    server = Server(b'{"status": {"state": {"phase": "Running"}}}')
    assert scheduler_of(server).describe("jobs:train-x1").state == AppState.RUNNING


def test_other_schedulers_need_no_client_of_kubernetes(tmp_path: Path) -> None:
    (tmp_path / "kubernetes.py").write_text("raise ImportError('not installed')\n")
    program = "import components.kubernetes as k; print(k.create_scheduler('test').run_opts())"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    code, out, _ = finished(process)
    assert code == 0
    assert "queue" in out
