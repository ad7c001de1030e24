"""One file, many files, globs and URLs, as what they stand for and as datasets."""

import gzip
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data.preparation.build import build
from pipeline.data.sources.files import SourceFile, find_files
from pipeline.data.sources.opening import source_files
from pipeline.spec import Spec

HEADER = "label,color\n"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def names(location: str) -> list[str]:
    return [file.name for file in find_files(location)]


def write_logs(folder: Path, count: int = 3) -> list[str]:
    """Files log_0.csv upwards of 30 rows each; a color tells its file and row."""
    paths = [folder / f"log_{number}.csv" for number in range(count)]
    for number, path in enumerate(paths):
        rows = "".join(f"{row % 2},{number}_{row}\n" for row in range(30))
        path.write_text(HEADER + rows)
    return [str(path) for path in paths]


def log_spec(make_spec, source: object, **data: object) -> Spec:
    return make_spec(format="csv", source=source, fields=[{"name": "color"}], **data)


def colors(spec: Spec, split: str) -> list[str]:
    """The tokens of a split's rows in their order."""
    folder = spec.dataset_directory
    tokens = pq.read_table(folder / "vocabulary/color.parquet")["token"].to_numpy()
    parts = sorted((folder / split).glob("*.parquet"))
    return [tokens[i] for part in parts for i in pq.read_table(part)["color"].to_pylist()]


class TestNames:
    def test_a_glob_is_in_the_order_of_names_with_numbers_by_value(self, tmp_path: Path) -> None:
        for name in ("day_10", "day_2", "day_1", "other"):
            (tmp_path / name).touch()
        assert names(f"{tmp_path}/day_*") == ["day_1", "day_2", "day_10"]

    def test_a_glob_crosses_folders_with_two_stars(self, tmp_path: Path) -> None:
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a/b/log.csv").touch()
        assert names(f"{tmp_path}/**/*.csv") == ["log.csv"]

    def test_a_relative_glob_is_of_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "log.csv").touch()
        monkeypatch.chdir(tmp_path)
        assert [file.location for file in find_files("*.csv")] == ["log.csv"]

    def test_a_file_whose_name_looks_like_a_glob_is_that_file(self, tmp_path: Path) -> None:
        for name in ("log[1].csv", "log1.csv"):
            (tmp_path / name).touch()
        assert names(f"{tmp_path}/log[1].csv") == ["log[1].csv"]

    def test_a_url_may_be_a_glob(self, memory: fsspec.AbstractFileSystem) -> None:
        for name in ("/logs/b.csv", "/logs/a.csv", "/logs/c.txt"):
            memory.pipe(name, b"x")
        found = find_files("memory://logs/*.csv")
        assert [file.location for file in found] == ["memory:///logs/a.csv", "memory:///logs/b.csv"]

    def test_an_empty_glob_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            find_files(f"{tmp_path}/*.csv")
        assert str(caught.value) == f"{tmp_path}/*.csv: no file has such a name; set data.source"

    @pytest.mark.parametrize(
        ("glob", "found"),
        [
            ("day**.csv", "Invalid pattern: '**' can only be an entire path component"),
            ("///logs/*.csv", "Non-relative patterns are unsupported"),
            (f"{'x' * 300}/*.csv", "File name too long"),
            ("x" * 300, "File name too long"),
        ],
    )
    def test_a_path_that_cannot_be_asked_for_is_refused(self, glob: str, found: str) -> None:
        with pytest.raises(InputError) as caught:
            find_files(glob)
        assert str(caught.value) == f"{glob}: cannot be read: {found}"

    def test_an_absent_file_has_no_version(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            SourceFile(f"{tmp_path}/log.csv").version()
        assert str(caught.value) == f"{tmp_path}/log.csv: no such file; set data.source"

    def test_an_absent_remote_file_is_named(self, memory: fsspec.AbstractFileSystem) -> None:
        with pytest.raises(InputError) as caught:
            find_files("memory://logs/a.csv")[0].size()
        assert str(caught.value) == "memory://logs/a.csv: no such file; set data.source"

    def test_an_unknown_protocol_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"^x3://a/b: cannot be reached: Protocol not known"):
            find_files("x3://a/b")[0].size()


class TestDatasets:
    def test_rows_come_in_the_files_order(self, make_spec, tmp_path: Path) -> None:
        paths = write_logs(tmp_path)
        spec = log_spec(make_spec, [paths[2], paths[0]])
        manifest = build(spec, {})
        assert [source["file"] for source in manifest.sources] == ["log_2.csv", "log_0.csv"]
        expected = [f"{file}_{row}" for file in (2, 0) for row in range(30)]
        rank = {color: place for place, color in enumerate(expected)}
        found = [colors(spec, split) for split in ("train", "valid", "test")]
        assert sorted(chain(*found), key=rank.__getitem__) == expected
        assert all(np.diff([rank[color] for color in split]).min(initial=1) > 0 for split in found)

    def test_rows_of_equal_number_in_two_files_are_split_apart(
        self, make_spec, tmp_path: Path
    ) -> None:
        spec = log_spec(make_spec, write_logs(tmp_path, 2))
        build(spec, {})
        train = colors(spec, "train")
        first, second = ({c[2:] for c in train if c[0] == file} for file in "01")
        assert first != second

    def test_a_glob_and_a_list_of_its_files_make_the_same_dataset(
        self, make_spec, tmp_path: Path
    ) -> None:
        listed = log_spec(make_spec, write_logs(tmp_path))
        manifest = build(listed, {})
        assert build(log_spec(make_spec, f"{tmp_path}/log_*.csv"), {}) == manifest

    def test_the_bytes_of_many_files_do_not_depend_on_threads_or_blocks(
        self, make_spec, tmp_path: Path
    ) -> None:
        source = write_logs(tmp_path)
        manifests = []
        for threads, block_bytes in ((1, 50), (3, 7_000)):
            spec = make_spec(
                format="csv",
                source=source,
                fields=[{"name": "color"}],
                prepare={"threads": threads},
            )
            manifests.append(build(spec, {}, block_bytes))
        assert manifests[0] == manifests[1]

    @pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
    def test_a_remote_file_makes_the_dataset_of_the_local_one(
        self, make_spec, tmp_path: Path, memory: fsspec.AbstractFileSystem, suffix: str
    ) -> None:
        path = tmp_path / f"log.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.table({"label": [0, 1] * 30, "color": list(range(60))}), path)
        else:
            text = Path(write_logs(tmp_path, 1)[0]).read_bytes()
            path.write_bytes(gzip.compress(text) if suffix == "csv.gz" else text)
        memory.pipe(f"/logs/log.{suffix}", path.read_bytes())
        kind = "parquet" if suffix == "parquet" else "csv"

        def made(source: str):
            return build(make_spec(format=kind, source=source, fields=[{"name": "color"}]), {})

        assert made(f"memory://logs/log.{suffix}") == made(str(path))

    def test_given_splits_may_be_several_files_each(self, make_spec, tmp_path: Path) -> None:
        write_logs(tmp_path)
        splits = {"train": ["log_1.csv", "log_0.csv"], "valid": "log_2.*", "test": "log_2.csv"}
        with pytest.raises(InputError, match=r"log_2.csv: data.source names it more than once"):
            build(log_spec(make_spec, str(tmp_path), splits=splits), {})
        write_logs(tmp_path, 4)
        spec = log_spec(make_spec, str(tmp_path), splits={**splits, "test": "log_3.csv"})
        build(spec, {})
        assert colors(spec, "train") == [f"{file}_{row}" for file in (1, 0) for row in range(30)]

    def test_a_file_is_the_same_however_its_path_is_spelt(
        self, make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_logs(tmp_path)
        monkeypatch.chdir(tmp_path)
        splits = {"train": "log_[12].csv", "valid": "log_0.csv", "test": "log_1.csv"}
        with pytest.raises(InputError, match=r"log_1.csv: data.source names it more than once"):
            source_files(log_spec(make_spec, "./", splits=splits).data)
        Path("again.csv").symlink_to("log_0.csv")
        with pytest.raises(InputError, match=r"log_0.csv: data.source names it more than once"):
            source_files(log_spec(make_spec, ["log_0.csv", "again.csv"]).data)

    def test_a_path_through_a_file_is_named(self, make_spec, tmp_path: Path) -> None:
        inside = f"{write_logs(tmp_path)[0]}/log.csv"
        with pytest.raises(InputError) as caught:
            build(log_spec(make_spec, inside), {})
        assert str(caught.value) == f"{inside}: cannot be read: Not a directory"

    def test_a_bad_row_is_named_by_its_file(self, make_spec, tmp_path: Path) -> None:
        paths = write_logs(tmp_path)
        Path(paths[1]).write_text(HEADER + "5,a\n")
        with pytest.raises(InputError, match=r"log_1.csv: line 2: the label is '5'"):
            build(log_spec(make_spec, paths), {})
