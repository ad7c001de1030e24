"""Sources by URL: what is wrong with one is a line that names it and says what to do."""

import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.data.sources.files import SourceFile, find_files

LOG = b"label,color\n" + b"1,a\n0,b\n" * 50
CHECK = "check the URL, the network and the credentials"


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path begins with, or with a file."""

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(self.server.content)

    def answer(self, body: bytes) -> None:
        first = self.path.split("/")[1]
        if first.isdigit():
            self.send_error(int(first))
            return
        self.send_response(200)
        if first != "unmeasured":
            size = len(self.server.content)
            self.send_header("Content-Length", str(size + 9 if first == "broken" else size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    pytest.importorskip("aiohttp")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.content = LOG
        running.base = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


class GuardedFileSystem(MemoryFileSystem):
    """Forbids everything, as s3fs does of a bucket that is another's."""

    protocol = "guarded"

    def info(self, path: str, **_: object) -> dict[str, object]:
        raise PermissionError("Access Denied")

    def find(self, path: str, *_: object, **__: object) -> dict[str, object]:
        raise PermissionError("Access Denied")


fsspec.register_implementation("guarded", GuardedFileSystem, clobber=True)


def message(location: str) -> str:
    """The one line that asking for a file ends in."""
    with pytest.raises(InputError) as caught:
        find_files(location)[0].size()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


class TestMessages:
    @pytest.mark.skipif(find_spec("s3fs") is not None, reason="the driver is installed")
    @pytest.mark.parametrize("url", ["s3://bucket/a.csv", "s3://bucket/*.csv"])
    def test_an_absent_driver_is_named(self, url: str) -> None:
        assert message(url) == f"{url}: cannot be reached: Install s3fs to access S3"

    @pytest.mark.parametrize("url", ["hdfs://namenode:9000/a.csv", "hdfs://namenode:9000/*.csv"])
    def test_hdfs_without_its_library(self, url: str) -> None:
        assert message(url).startswith(f"{url}: cannot be reached: ")

    @pytest.mark.parametrize("url", ["guarded://bucket/a.csv", "guarded://bucket/*.csv"])
    def test_no_permission(self, url: str) -> None:
        assert message(url) == f"{url}: cannot be reached: Access Denied; {CHECK}"

    def test_an_absent_bucket_has_no_files(self) -> None:
        url = "memory://no-such-bucket/*.csv"
        assert message(url) == f"{url}: no file has such a name; set data.source"

    def test_a_directory(self) -> None:
        fsspec.filesystem("memory").pipe("/folder/a.csv", LOG)
        assert message("memory://folder").startswith("memory://folder: a directory; data.source")

    @pytest.mark.parametrize(
        ("status", "words"), [(401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found")]
    )
    def test_a_server_that_refuses(
        self, server: ThreadingHTTPServer, status: int, words: str
    ) -> None:
        url = f"{server.base}/{status}/a.csv"
        assert message(url) == (
            f"{url}: cannot be reached: {status}, message='{words}', url='{url}'; {CHECK}"
        )

    def test_a_servers_list_that_is_refused(self, server: ThreadingHTTPServer) -> None:
        url = f"{server.base}/403/*.csv"
        assert message(url).startswith(f"{url}: cannot be reached: 403, message='Forbidden'")

    def test_a_server_that_is_not_there(self) -> None:
        pytest.importorskip("aiohttp")
        url = "http://127.0.0.1:9/a.csv"
        assert message(url).startswith(f"{url}: cannot be reached: Cannot connect to host")

    def test_a_server_that_tells_no_size(self, server: ThreadingHTTPServer) -> None:
        url = f"{server.base}/unmeasured/a.csv"
        assert message(url).startswith(f"{url}: the server does not tell its size")

    def test_an_archive_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(LOG)
        url = f"zip://a.csv::file://{tmp_path}/a.zip"
        assert message(url) == f"{url}: cannot be reached: File is not a zip file; {CHECK}"


class TestReading:
    def made(self, make_spec, source: str, kind: str = "csv") -> object:
        return build(make_spec(format=kind, source=source, fields=[{"name": "color"}]), {})

    @pytest.fixture
    def local(self, make_spec, tmp_path: Path) -> object:
        """The dataset of the same file on this machine."""
        (tmp_path / "log.csv").write_bytes(LOG)
        return self.made(make_spec, str(tmp_path / "log.csv"))

    @pytest.mark.parametrize("query", ["", "?signature=a.b/c&expires=1"])
    def test_a_server_makes_the_dataset_of_the_local_file(
        self, make_spec, server: ThreadingHTTPServer, local: object, query: str
    ) -> None:
        assert self.made(make_spec, f"{server.base}/files/log.csv{query}") == local

    @pytest.mark.parametrize("name", ["log.csv", "*.csv"])
    def test_an_archive_makes_it_too(
        self, make_spec, tmp_path: Path, local: object, name: str
    ) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("log.csv", LOG)
        assert self.made(make_spec, f"zip://{name}::file://{tmp_path}/a.zip") == local

    def test_a_transfer_that_breaks_off(self, make_spec, server: ThreadingHTTPServer) -> None:
        url = f"{server.base}/broken/a.csv"
        with pytest.raises(InputError, match=rf"^{url}: cannot be read to its end: .*\S$"):
            self.made(make_spec, url)
        with pytest.raises(InputError, match=rf"^{url}: cannot be read: .*\S$"):
            SourceFile(url).digest()

    def test_a_file_that_is_replaced_has_another_version(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.zip"
        versions = []
        for content in (LOG, LOG, LOG + b"1,c\n"):
            with zipfile.ZipFile(archive, "w") as written:
                written.writestr(zipfile.ZipInfo("log.csv"), content)
            versions.append(SourceFile(f"zip://log.csv::file://{archive}").version())
        assert versions[0] == versions[1] != versions[2]
