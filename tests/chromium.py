"""A headless Chromium that opens pages from disk, driven through its debugging port."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
PATIENCE_S = 60.0


def executable() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Tab:
    """One page. ``errors`` are those of its console, and of scripts."""

    def __init__(self, address: str) -> None:
        import websocket

        self.errors: list[str] = []
        self._socket = websocket.create_connection(address, timeout=PATIENCE_S)
        self._numbers = itertools.count(1)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return self._until(lambda message: message.get("id") == number)["result"]

    def open(self, path: Path, width: int) -> None:
        """Opens a page at a width in CSS pixels, as tall as it is."""
        self.errors.clear()
        self._resize(width, 800)
        self._socket.send(
            json.dumps(
                {"id": 0, "method": "Page.navigate", "params": {"url": path.resolve().as_uri()}}
            )
        )
        self._until(lambda message: message.get("method") == "Page.loadEventFired")
        self._resize(width, int(self.value("document.documentElement.scrollHeight")))

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression, or of the promise that it gives."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            message = json.loads(self._socket.recv())
            self._note(message)
            if wanted(message):
                assert "error" not in message, message
                return message

    def _note(self, message: dict[str, Any]) -> None:
        found = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(found["entry"]["text"])
        elif message.get("method") == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.errors.append(str(found["args"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Starts a Chromium with a profile of its own, and ends it."""
    program = executable()
    assert program is not None
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Tab(_address(profile))
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _address(profile: Path) -> str:
    """Of the first page, from the port that Chromium writes into its profile."""
    import urllib.request

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with_port = profile / "DevToolsActivePort"
        if with_port.exists() and "\n" in with_port.read_text():
            port = with_port.read_text().splitlines()[0]
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise TimeoutError("Chromium did not open its debugging port")
