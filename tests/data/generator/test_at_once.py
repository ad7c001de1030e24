"""Two runs that make the same log at the same time."""

from pathlib import Path

import pytest

from pipeline.data.generator import generate as generate_module
from pipeline.data.generator.generate import generate
from pipeline.spec_data import GeneratorSpec

SPEC = GeneratorSpec(rows=50)


@pytest.mark.parametrize("before", [None, GeneratorSpec(rows=20)], ids=["new", "replaced"])
def test_both_end_well_and_the_log_that_one_may_read_already_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: GeneratorSpec | None
) -> None:
    write_rows = generate_module._write_rows
    path, expected = tmp_path / "log.txt", tmp_path / "expected.txt"
    generate(expected, SPEC)
    if before:
        generate(path, before)
    read = []

    def write_while_another_run_does(*given: object) -> None:
        monkeypatch.setattr(generate_module, "_write_rows", write_rows)
        write_rows(*given)
        generate(path, SPEC)
        read.append(path.stat().st_ino)

    monkeypatch.setattr(generate_module, "_write_rows", write_while_another_run_does)
    generate(path, SPEC)
    assert path.read_bytes() == expected.read_bytes()
    assert [path.stat().st_ino] == read
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        [file + end for file in ("log.txt", "expected.txt") for end in ("", ".generated.json")]
    )
