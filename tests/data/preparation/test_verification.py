"""What a person reads when a dataset directory is not what its manifest says."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.data.preparation.build import build
from pipeline.data.preparation.verification import absent_sources, find_faults
from pipeline.data.whole_files import file_digest
from pipeline.spec import Spec

PART = "train/part-00000.parquet"
WORDS = "vocabulary/color.parquet"


@pytest.fixture
def spec(csv_spec) -> Spec:
    rows = "".join(f"{row % 2},c{row % 7},{row}\n" for row in range(100))
    spec = csv_spec(("label,color,size\n" + rows).encode())
    build(spec, {})
    return spec


def with_digest(directory: Path, file: str) -> None:
    """Makes the manifest agree with a changed file's digest."""
    path = directory / "manifest.json"
    values = json.loads(path.read_text())
    parts = [part for split in values["splits"].values() for part in split["parts"]]
    (entry,) = [one for one in [*parts, *values["vocabularies"]] if one["file"] == file]
    entry["digest"] = file_digest(directory / file)
    path.write_text(json.dumps(values))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def drop_a_row(directory: Path, file: str) -> None:
    table = pq.read_table(directory / file)
    pq.write_table(table.slice(1), directory / file)
    with_digest(directory, file)


def large_id(directory: Path) -> None:
    table = pq.read_table(directory / PART)
    color = table["color"].to_numpy().copy()
    color[0] = 1_000
    table = table.set_column(0, table.schema.field(0), [color])
    pq.write_table(table, directory / PART)
    with_digest(directory, PART)


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda d: flip(d / PART), f"/{PART}: its digest is not the manifest's, so the file was "
     "changed after it was prepared; prepare the dataset again"),
    (lambda d: drop_a_row(d, PART), f"/{PART}: 99 rows, the manifest says 100; prepare the dataset "
     "again"),
    (large_id, f"/{PART}: field 'color' has the id 1000, its ids are 0 to 7; prepare the dataset "
     "again"),
    (lambda d: flip(d / WORDS), f"/{WORDS}: its digest is not the manifest's"),
    (lambda d: drop_a_row(d, WORDS), f"/{WORDS}: 7 rows, the manifest says 8 and 8 ids"),
    (lambda d: (d / WORDS).unlink(), f"/{WORDS}: missing"),
    (lambda d: (d / "train/note.txt").write_text("x"), "/train/note.txt: not in the manifest"),
]  # fmt: skip


def test_a_sound_dataset_has_no_faults(spec: Spec) -> None:
    assert find_faults(spec) == []
    assert absent_sources(spec) == []


@pytest.mark.parametrize(("damage", "line"), FAULTS)
def test_a_fault_is_named(spec: Spec, damage: Callable[[Path], object], line: str) -> None:
    directory = spec.dataset_directory
    damage(directory)
    assert find_faults(spec) == [f"{directory}{line}"]


def test_every_fault_has_a_line(spec: Spec) -> None:
    flip(spec.dataset_directory / PART)
    flip(spec.dataset_directory / WORDS)
    assert len(find_faults(spec)) == 2


def test_a_manifest_whose_sums_are_wrong(spec: Spec) -> None:
    path = spec.dataset_directory / "manifest.json"
    values = json.loads(path.read_text())
    values["splits"]["train"]["positives"] = {"label": 7}
    path.write_text(json.dumps(values))
    assert find_faults(spec) == [
        f"{path.parent}/train: 100 rows with 50 positive, the manifest says 100 with 7"
    ]


def test_another_spec(spec: Spec) -> None:
    prepare = spec.prepare.model_copy(update={"minimum_count": 9})
    assert find_faults(spec.model_copy(update={"prepare": prepare})) == [
        f"{spec.dataset_directory}: prepared with other settings than the spec's"
    ]


def test_a_changed_source(spec: Spec) -> None:
    source = Path(str(spec.data.source))
    flip(source)
    assert find_faults(spec) == [f"{source}: changed since the dataset was prepared from it"]


def test_an_absent_source_is_not_compared(spec: Spec) -> None:
    source = Path(str(spec.data.source))
    source.unlink()
    assert find_faults(spec) == []
    assert absent_sources(spec) == [str(source)]


def test_a_glob_whose_files_are_gone_is_not_compared(csv_spec, tmp_path: Path) -> None:
    spec = csv_spec(b"label,color,size\n1,red,3\n0,blue,\n", source=f"{tmp_path}/*.csv")
    build(spec, {})
    (tmp_path / "log.csv").unlink()
    assert find_faults(spec) == []
    assert absent_sources(spec) == [f"{tmp_path}/*.csv, so no source is compared"]
