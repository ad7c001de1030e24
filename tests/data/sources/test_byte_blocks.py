import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.console import InputError
from pipeline.data.sources import byte_blocks
from pipeline.data.sources.byte_blocks import COMPRESSED, Block, line_blocks, opened
from pipeline.data.sources.files import SourceFile

TEXT = b"".join(b"line %d\n" % number for number in range(2_000))


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data))


def zipped(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("log.csv", data)
    return archive.getvalue()


def blocks_of(path: Path, size: int) -> tuple[list[Block], str, int]:
    source = SourceFile(str(path))
    with opened(source) as raw:
        blocks = list(line_blocks(source, raw, size))
        return blocks, raw.hexdigest(), raw.bytes_read


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        ("txt", bytes),
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", zstd),
    ],
)
@pytest.mark.parametrize("members", [1, 2])
def test_every_compression_gives_the_same_lines_and_the_files_digest(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], members: int
) -> None:
    path = tmp_path / f"log.{suffix}"
    path.write_bytes(compress(TEXT) * members)
    blocks, digest, bytes_read = blocks_of(path, 1_000)
    assert b"".join(block.data for block in blocks) == TEXT * members
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bytes_read == path.stat().st_size


COMPRESSIONS = [
    pytest.param("gz", gzip.compress, id="gz"),
    pytest.param("bz2", bz2.compress, id="bz2"),
    pytest.param("xz", lzma.compress, id="xz"),
    pytest.param("zst", zstd, id="zst"),
]


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSIONS)
@pytest.mark.parametrize("zeros", [0, 4])
def test_a_damaged_header_of_a_later_stream_is_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], zeros: int
) -> None:
    stream = compress(TEXT)
    damaged = bytes([stream[0] ^ 1]) + stream[1:]
    path = tmp_path / f"log.{suffix}"
    path.write_bytes(stream + bytes(zeros) + damaged + stream)
    with pytest.raises(InputError, match=f"^{path}: cannot be read to its end: "):
        blocks_of(path, 1_000)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_zeros_between_and_after_streams_are_padding(tmp_path: Path, suffix: str) -> None:
    stream = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix](TEXT)
    path = tmp_path / f"log.{suffix}"
    # More than is read at a time.
    path.write_bytes(stream + bytes(4) + stream + bytes(1 << 17))
    blocks, _, _ = blocks_of(path, 1_000)
    assert b"".join(block.data for block in blocks) == TEXT * 2


@pytest.mark.parametrize(
    ("compress", "found"),
    [
        (gzip.compress, "compressed by gzip: rename it to end in .gz"),
        (bz2.compress, "compressed by bzip2: rename it to end in .bz2"),
        (lzma.compress, "compressed by xz: rename it to end in .xz"),
        (zstd, "compressed by zstd: rename it to end in .zst"),
        (zipped, "a zip archive: unpack it"),
    ],
)
def test_a_compressed_file_whose_name_does_not_say_so_is_refused(
    tmp_path: Path, compress: Callable[[bytes], bytes], found: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(compress(TEXT))
    with pytest.raises(InputError) as caught:
        blocks_of(path, 1_000)
    assert str(caught.value) == f"{path}: {found}"


@given(lines=st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"")), min_size=1))
@pytest.mark.parametrize("ends", [True, False])
def test_blocks_are_whole_lines_with_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    content = b"\n".join(lines) + (b"\n" if ends else b"x")
    content = content.removeprefix(b"\xef\xbb\xbf")
    assume(not content.startswith(tuple(COMPRESSED)))
    path.write_bytes(content)
    blocks, _, _ = blocks_of(path, 7)
    assert b"".join(block.data for block in blocks) == content
    line = 1
    for block in blocks:
        assert block.first_line == line
        assert block.lines == len(block.data.removesuffix(b"\n").split(b"\n"))
        line += block.lines
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])


def test_a_line_of_many_blocks_is_read_in_few_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = []

    class Watched(byte_blocks.HashedFile):
        def readinto(self, room: memoryview) -> int:
            pieces.append(len(room))
            return super().readinto(room)

    monkeypatch.setattr(byte_blocks, "HashedFile", Watched)
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * (1 << 20))
    (block,), _, _ = blocks_of(path, 1 << 10)
    assert (len(block.data), block.lines) == (1 << 20, 1)
    # 1,024 pieces, each with a copy of all before it, take half a second.
    assert len(pieces) < 20
