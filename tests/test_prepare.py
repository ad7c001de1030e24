"""The prepare stage as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.data.manifest import read_manifest

LINE = "\t".join(["1", *("3" for _ in range(13)), *("ab" for _ in range(26))]) + "\n"


def spec_file(folder: Path, extra: str = "") -> Path:
    path = folder / "spec.toml"
    path.write_text(
        f'[run]\ndirectory = "{folder}/run"\n'
        f'[data]\nformat = "criteo"\nsource = "{folder}/train.txt"\n{extra}'
    )
    return path


def command(spec: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.prepare", str(spec), *overrides]


def run(spec: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(spec, *overrides), capture_output=True, text=True, check=False)


def test_generated_data_are_prepared_and_the_second_run_skips(tmp_path: Path) -> None:
    spec = spec_file(tmp_path, "generator = { rows = 2000 }\n")
    first = run(spec)
    assert first.returncode == 0, first.stderr
    assert "prepared" in first.stdout
    manifest = read_manifest(tmp_path / "run/dataset")
    assert sum(split.rows for split in manifest.splits.values()) == 2_000
    assert 0.5 < manifest.oracle["test"]["auc"] < 1
    assert "unchanged, skipped" in run(spec).stdout
    assert "prepared" in run(spec, "prepare.seed=1").stdout


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE + "1\t2\n")
    result = run(spec_file(tmp_path))
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"error: {tmp_path}/train.txt: line 2: 2 columns found, 40 expected; correct it, or set "
        'data.bad_rows = "skip" to leave such rows out'
    ]


def test_skipped_rows_are_reported(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 20 + "1\t2\n")
    result = run(spec_file(tmp_path), "data.bad_rows=skip")
    assert result.returncode == 0, result.stderr
    assert "1 wrong number of columns" in result.stdout


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_no_half_written_dataset(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    source = tmp_path / "train.txt"
    os.mkfifo(source)
    process = subprocess.Popen(command(spec_file(tmp_path)), stderr=subprocess.PIPE, text=True)
    # The pipe stays open, so the stage waits for more rows in the middle of its first pass.
    with source.open("w") as pipe:
        pipe.write(LINE * 100)
        pipe.flush()
        while not (tmp_path / "run/dataset.partial").exists():
            time.sleep(0.05)
        process.send_signal(sent)
        assert process.wait(timeout=60) == code
    assert not (tmp_path / "run/dataset").exists()
    if sent == signal.SIGINT:
        assert process.communicate()[1].splitlines()[-1].startswith("interrupted")
    source.unlink()
    source.write_text(LINE * 100)
    assert run(spec_file(tmp_path)).returncode == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["dataset"]
