"""What a dataset's name for its settings tells apart."""

from pathlib import Path

from pipeline.data.preparation.build import build
from pipeline.data.preparation.identity import spec_digest, work_identity
from pipeline.data.preparation.unchanged import unchanged
from pipeline.data.sources.opening import open_sources
from pipeline.spec import Spec

CONTENT = b"label,color,size\n1,red,3\n0,blue,\n"


def identity(spec: Spec, block_bytes: int = 100) -> str:
    return work_identity(spec, spec_digest(spec), open_sources(spec.data), block_bytes, 10)


def test_a_vocabulary_file_counts_by_its_content(make_spec, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(CONTENT)
    words = tmp_path / "colors.txt"
    words.write_text("red\n")
    field = {"name": "color", "encoding": "file", "vocabulary_file": str(words)}
    prepare = {"ratios": [1, 1e-9, 1e-9]}
    source = str(tmp_path / "log.csv")
    spec = make_spec(format="csv", source=source, fields=[field], prepare=prepare)
    build(spec, {})
    assert unchanged(spec) is not None
    words.write_text("blue\n")
    assert unchanged(spec) is None


def test_engines_and_threads_do_not_count(csv_spec) -> None:
    spec = csv_spec(CONTENT)
    settings = {"threads": 9, "engine": "dask", "scheduler": "tcp://host:8786"}
    other = spec.model_copy(update={"prepare": spec.prepare.model_copy(update=settings)})
    assert spec_digest(other) == spec_digest(spec)
    assert identity(other) == identity(spec)


def test_work_belongs_to_the_sources_bytes_and_the_blocks(csv_spec, tmp_path: Path) -> None:
    spec = csv_spec(CONTENT)
    assert identity(spec) == identity(spec)
    assert identity(spec, 101) != identity(spec)
    before = identity(spec)
    (tmp_path / "log.csv").write_bytes(CONTENT.replace(b"red", b"rod"))
    assert identity(spec) != before


def test_a_setting_counts(csv_spec) -> None:
    spec = csv_spec(CONTENT)
    other = spec.model_copy(update={"prepare": spec.prepare.model_copy(update={"seed": 1})})
    assert identity(other) != identity(spec)
