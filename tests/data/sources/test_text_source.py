"""What is read of a text file before its rows."""

import gzip
from pathlib import Path

import pytest

from pipeline.data.sources import byte_blocks
from pipeline.data.sources.byte_blocks import HashedFile
from pipeline.data.sources.opening import open_sources


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_little_of_a_file_is_read_for_its_header(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    read = []

    class Watched(HashedFile):
        def close(self) -> None:
            read.append(self.bytes_read)
            super().close()

    monkeypatch.setattr(byte_blocks, "HashedFile", Watched)
    content = b"label,color\n" + b"1,red\n" * 100_000
    path = tmp_path / f"log.{suffix}"
    # As it is, so that bytes read are bytes decompressed.
    path.write_bytes(gzip.compress(content, 0) if suffix.endswith("gz") else content)
    open_sources(make_spec(format="csv", source=str(path), fields=[{"name": "color"}]).data)
    assert len(read) == 1
    assert read[0] < 200_000


def test_a_header_may_be_longer_than_what_is_read_at_first(make_spec, tmp_path: Path) -> None:
    names = [f"column_{number}" for number in range(20_000)]
    (tmp_path / "log.csv").write_text(",".join(["label", *names]) + "\n1,red\n")
    fields = [{"name": names[-1]}]
    spec = make_spec(format="csv", source=str(tmp_path / "log.csv"), fields=fields)
    (source,) = open_sources(spec.data)
    assert source.source.fields[0].name == names[-1]
