"""The overview's files as a part of the dataset directory."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.console import InputError
from pipeline.data.manifest import SCHEMA_VERSION, read_manifest
from pipeline.data.overview.files import read_overview
from pipeline.data.preparation.build import build
from pipeline.data.preparation.unchanged import unchanged
from pipeline.data.preparation.verification import find_faults
from pipeline.data.whole_files import file_digest
from pipeline.spec import Spec

FIELDS = [
    {"name": "color"},
    {"name": "size", "kind": "numeric"},
    {"name": "price", "kind": "numeric", "binning": "quantile", "bins": 5},
    {"name": "tags", "kind": "multi_valued"},
    {"name": "shop", "encoding": "hash", "hash_rows": 50},
    {"name": "slot", "encoding": "identity", "cardinality": 9},
    {"name": "age", "kind": "dense"},
]
OVERVIEW = ("overview.html", "overview.json")


@pytest.fixture
def spec(make_spec, tmp_path: Path, rng: np.random.Generator) -> Spec:
    return spec_of(make_spec, tmp_path, rng)


def spec_of(make_spec, folder: Path, rng: np.random.Generator, **prepare: object) -> Spec:
    path = folder / "log.csv"
    if not path.exists():
        rows = [
            f"{rng.integers(2)},c{rng.integers(30)},{rng.integers(99)},{rng.random():.3f},"
            f"t{rng.integers(4)}|t{rng.integers(9)},s{rng.integers(80)},{rng.integers(9)},"
            f"{rng.normal():.4f}\n"
            for _ in range(2_000)
        ]
        path.write_text("label,color,size,price,tags,shop,slot,age\n" + "".join(rows))
    settings = {"part_rows": 300, "minimum_count": 2, **prepare}
    return make_spec(format="csv", source=str(path), fields=FIELDS, prepare=settings)


def contents(spec: Spec) -> list[bytes]:
    return [(spec.dataset_directory / name).read_bytes() for name in OVERVIEW]


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("block_bytes", [2_000, 1 << 24])
def test_the_bytes_do_not_depend_on_threads_or_blocks(
    make_spec, tmp_path: Path, rng: np.random.Generator, spec: Spec, threads: int, block_bytes: int
) -> None:
    build(spec, {})
    expected = contents(spec)
    other = spec_of(make_spec, tmp_path, rng, threads=threads)
    build(other, {}, block_bytes)
    assert contents(other) == expected


@pytest.mark.parametrize("part_rows", [1, 77, 100_000])
def test_nor_on_the_size_of_parts(
    make_spec, tmp_path: Path, rng: np.random.Generator, spec: Spec, part_rows: int
) -> None:
    build(spec, {})
    expected = contents(spec)
    other = spec_of(make_spec, tmp_path, rng, part_rows=part_rows)
    build(other, {})
    assert contents(other) == expected


def test_parts_that_an_earlier_run_wrote_are_looked_at_too(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(spec, {})
    expected = contents(spec)
    shutil.rmtree(spec.dataset_directory)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.data.preparation.build.look_at", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(spec, {})
    partial = spec.dataset_directory.with_name("dataset.partial")
    assert len(list(partial.glob("dataset/train/*.parquet"))) == 6
    assert not (partial / "dataset/manifest.json").exists()
    build(spec, {})
    assert contents(spec) == expected


def test_the_manifest_has_the_digests(spec: Spec) -> None:
    manifest = build(spec, {})
    assert manifest == read_manifest(spec.dataset_directory)
    assert manifest.overview == {
        name: file_digest(spec.dataset_directory / name) for name in OVERVIEW
    }
    assert find_faults(spec) == []


def test_the_manifest_has_the_distinct_values_of_fields(spec: Spec) -> None:
    manifest = build(spec, {})
    overview = read_overview(spec.dataset_directory)
    assert [field.distinct for field in manifest.fields] == [
        field.distinct for field in overview.fields
    ]
    assert manifest.fields[0].distinct == 30


@pytest.mark.parametrize("name", OVERVIEW)
def test_verify_finds_a_changed_one(spec: Spec, name: str) -> None:
    build(spec, {})
    path = spec.dataset_directory / name
    path.write_bytes(path.read_bytes().replace(b"color", b"colour"))
    assert find_faults(spec) == [f"{path}: its digest is not the manifest's"]
    path.unlink()
    assert find_faults(spec) == [f"{path}: missing"]


def test_a_dataset_without_one_is_prepared_again(spec: Spec) -> None:
    build(spec, {})
    assert unchanged(spec) is not None
    (spec.dataset_directory / "overview.html").unlink()
    assert unchanged(spec) is None
    build(spec, {})
    assert find_faults(spec) == []


def test_how_it_looks_does_not_make_another_dataset(spec: Spec) -> None:
    manifest = build(spec, {})
    path = spec.dataset_directory / "manifest.json"
    values = json.loads(path.read_text())
    values["overview"] = dict.fromkeys(OVERVIEW, "0" * 64)
    path.write_text(json.dumps(values))
    assert read_manifest(spec.dataset_directory).digest == manifest.digest


def test_the_data_can_be_read_back(spec: Spec) -> None:
    build(spec, {})
    overview = read_overview(spec.dataset_directory)
    assert [field.name for field in overview.all_fields] == [field["name"] for field in FIELDS]
    text = (spec.dataset_directory / "overview.json").read_text()
    assert json.loads(json.dumps(overview, default=vars)) == json.loads(text)


@pytest.mark.parametrize("text", ["{", "[]", '{"sources": []}'])
def test_data_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "overview.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_overview(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/overview.json: cannot be read (")
    assert str(caught.value).endswith("; prepare the dataset again")


def test_a_dataset_of_an_older_version_is_refused(spec: Spec) -> None:
    build(spec, {})
    path = spec.dataset_directory / "manifest.json"
    values = json.loads(path.read_text())
    del values["overview"]
    path.write_text(json.dumps({**values, "schema_version": 3}))
    with pytest.raises(InputError) as caught:
        read_manifest(spec.dataset_directory)
    assert str(caught.value) == (
        f"{path}: schema version 3, this program reads {SCHEMA_VERSION}; prepare the dataset again"
    )
