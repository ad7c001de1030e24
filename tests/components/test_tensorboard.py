"""TensorBoard, started by the component, shows a browser what a training logged."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from launched_runs import ROOT, TORCHX, LaunchedRun

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A page on a busy machine: TensorBoard's own start takes seconds, the browser's too.
PATIENCE_S = 240
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1200,900", "--virtual-time-budget=10000"),
)


@dataclass(frozen=True)
class Served:
    """A TensorBoard and the job that runs it."""

    job: subprocess.Popen[bytes]
    url: str


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(f"{url}/data/environment", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """``torchx run mep.tensorboard`` in a working directory, ended by Ctrl-C."""
    url = f"http://localhost:{(port := free_port())}"
    path = f"{TORCHX.parent}:{os.environ['PATH']}"
    job = subprocess.Popen(
        [TORCHX, "run", "mep.tensorboard", "--port", str(port)],
        cwd=directory,
        env={**os.environ, "PATH": path, "HOME": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not answers(url) and time.monotonic() < deadline:
        assert job.poll() is None, "TensorBoard has ended"
        time.sleep(0.5)
    yield Served(job, url)
    job.send_signal(signal.SIGINT)
    job.wait(timeout=60)


@pytest.fixture(scope="module")
def served(launched_run: LaunchedRun) -> Iterator[Served]:
    """TensorBoard on the directory of the launched run."""
    with serving(launched_run.directory) as server:
        yield server


def text_of_page(browser: str, url: str, profile: Path) -> str:
    """What a person reads on a page, when its scripts have run."""
    command = [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", url]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S).stdout
    body = re.sub(r"<(style|script).*?</\1>", "", shown, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def last_point(run: Path, kind: str) -> dict[str, float]:
    points = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    point: dict[str, float] = [point for point in points if point["kind"] == kind][-1]
    return point


def shown_value(text: str, tag: str) -> tuple[float, int] | None:
    """Value and step in the table below a scalar's curve: run, smoothed, value, step."""
    group, _, name = tag.partition("/")
    row = r"small/tensorboard ([\d.]+) ([\d.]+) (\d+) "
    card = re.search(rf"{group} /{name} .*?{row}", text)
    return None if card is None else (float(card[2]), int(card[3]))


def test_a_browser_finds_the_scalars_of_a_finished_run(
    launched_run: LaunchedRun, served: Served, tmp_path: Path
) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    point = last_point(launched_run.path, "valid")
    page = f"{served.url}/?tagFilter=valid%2Fauc%24#timeseries"
    deadline = time.monotonic() + PATIENCE_S
    found = None
    while found is None and time.monotonic() < deadline:
        found = shown_value(text_of_page(browser, page, tmp_path / "profile"), "valid/auc")
    assert found == (pytest.approx(point["auc"], abs=1e-4), point["step"])


def test_every_figure_of_a_validation_is_served(launched_run: LaunchedRun, served: Served) -> None:
    tags_of_runs = f"{served.url}/experiment/defaultExperimentId/data/plugin/timeseries/tags"
    tags: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    # It reads the logs after it has begun to answer.
    while not tags and time.monotonic() < deadline:
        with urllib.request.urlopen(tags_of_runs, timeout=30) as answer:
            scalars = json.loads(answer.read())["scalars"]
        tags = scalars["runTagInfo"].get("small/tensorboard", [])
    point = last_point(launched_run.path, "valid")
    figures = {f"valid/{name}" for name, value in point.items() if isinstance(value, float)}
    assert "valid/auc" in figures
    assert figures <= set(tags)


def test_ctrl_c_ends_it_with_its_server(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".torchxconfig", tmp_path)
    with serving(tmp_path) as server:
        assert answers(server.url)
    assert server.job.returncode != 0
    assert not answers(server.url)
