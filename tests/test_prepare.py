"""The prepare stage as a person runs it."""

import os
import resource
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


def test_what_the_fields_hold_is_shown_and_what_hurts_is_warned_of(tmp_path: Path) -> None:
    rows = [f"{row * 7 % 3 % 2},{row % 4},{row * 7 % 3 % 2}\n" for row in range(900)]
    (tmp_path / "log.csv").write_text("label,color,copy\n" + "".join(rows))
    path = tmp_path / "spec.toml"
    path.write_text(
        f'[run]\ndirectory = "{tmp_path}/run"\n[data]\nformat = "csv"\n'
        f'source = "{tmp_path}/log.csv"\nfields = [{{ name = "color" }}, {{ name = "copy" }}]\n'
    )
    first, second = run(path), run(path)
    assert first.returncode == 0, first.stderr
    assert "color   categorical, minimum count 1      4     5" in first.stdout
    (warning,) = [line for line in first.stdout.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: field 'copy': alone it ranks valid's rows with an AUC of 1")
    assert warning in second.stdout
    assert "a look at it in overview.html there" in second.stdout


def test_verify_says_that_a_dataset_is_sound_or_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 100)
    spec = spec_file(tmp_path)
    missing = run(spec, "--verify")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "not a whole dataset directory" in missing.stderr
    run(spec)
    (tmp_path / "train.txt").unlink()
    sound = run(spec, "--verify")
    assert sound.returncode == 0, sound.stderr
    assert "verified: 3 parts and 39 vocabularies are as prepared" in sound.stdout
    assert f"not compared, for it is not there: {tmp_path}/train.txt" in sound.stdout
    extra = tmp_path / "run/dataset/extra"
    extra.touch()
    faulty = run(spec, "--verify")
    assert (faulty.returncode, faulty.stderr) == (2, f"error: {extra}: not in the manifest\n")


@pytest.mark.parametrize("limit", [1_000, 20_000])
def test_a_full_disk_is_one_line_and_the_next_run_goes_on(tmp_path: Path, limit: int) -> None:
    (tmp_path / "train.txt").write_text(LINE * 5_000)
    spec = spec_file(tmp_path)

    def few_bytes() -> None:
        # A file may not grow beyond it, and the signal that says so is left to Python's error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = subprocess.run(
        command(spec), capture_output=True, text=True, check=False, preexec_fn=few_bytes
    )
    assert (result.returncode, result.stderr.splitlines()) == (
        2,
        [
            f"error: {tmp_path}/run/dataset.partial: cannot be written: File too large; make room "
            "and start again: what is done is kept and taken up"
        ],
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["dataset.partial"]
    assert run(spec).returncode == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["dataset"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_without_space(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 5_000)
    (tmp_path / "run").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(tmp_path / "run")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        result = run(spec_file(tmp_path))
        assert not (tmp_path / "run/dataset").exists()
    finally:
        subprocess.run(["umount", str(tmp_path / "run")], check=True)
    assert result.returncode == 2, result.stderr
    assert "cannot be written: No space left on device; make room" in result.stderr
    assert len(result.stderr.splitlines()) == 1
