import os
import pty
import signal
import subprocess
import sys
import textwrap

import pytest

from pipeline import console
from pipeline.console import InputError, progress, spec_arguments, without_credentials

STAGE = '''
"""Does a thing.

    python -m stage SPEC
"""
import signal, sys, time
from pipeline.console import InputError, run_entry_point, spec_arguments

def main(arguments):
    path, overrides = spec_arguments(arguments, __doc__)
    if path == "bad":
        raise InputError("spec.toml: model.sets: found 0")
    if path == "secret":
        raise InputError("https://reader:s3cret@host/log.csv: cannot be reached: 401")
    if path == "broken":
        raise RuntimeError("a fault of the program")
    if path == "long":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        time.sleep(60)
    print(path, overrides)

run_entry_point(main)
'''


def run_stage(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", STAGE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://token@host/a.csv", "https://***@host/a.csv"),
        ("https://u:p@s@host/a.csv", "https://***@host/a.csv"),
        ("ftp://u:p@host/a.csv: no such file", "ftp://***@host/a.csv: no such file"),
        ("url='https://host/a?X-Signature=1f', so", "url='https://host/a?***', so"),
        ("zip://a.csv::https://u:p@host/a.zip?b=1", "zip://a.csv::https://***@host/a.zip?***"),
        # No credentials: a container, a user's name alone, a glob.
        ("abfs://clicks@account/a.csv", "abfs://clicks@account/a.csv"),
        ("sftp://reader@host/a.csv", "sftp://reader@host/a.csv"),
        ("s3://logs/day_?.csv: found a@b", "s3://logs/day_?.csv: found a@b"),
    ],
)
def test_credentials_of_urls_are_not_shown(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


class TestEntryPoint:
    def test_work_that_is_done_exits_0(self) -> None:
        done = run_stage("spec.toml", "a.b=1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "spec.toml ['a.b=1']\n", "")

    def test_bad_input_exits_2_with_one_line(self) -> None:
        done = run_stage("bad")
        assert done.returncode == 2
        assert done.stderr == "error: spec.toml: model.sets: found 0\n"
        assert done.stdout == ""

    def test_bad_input_is_told_without_a_url_s_credentials(self) -> None:
        done = run_stage("secret")
        assert done.stderr == "error: https://***@host/log.csv: cannot be reached: 401\n"

    def test_no_argument_is_bad_input(self) -> None:
        done = run_stage()
        assert done.returncode == 2
        assert done.stderr == "error: a spec file is needed: SPEC [key=value ...]\n"

    def test_interrupt_exits_130_with_one_line(self) -> None:
        command = [sys.executable, "-c", STAGE, "long"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors == "interrupted: what is whole is kept; the same command goes on\n"

    def test_a_fault_of_the_program_keeps_its_traceback(self) -> None:
        done = run_stage("broken")
        assert done.returncode == 1
        assert "Traceback" in done.stderr

    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["spec.toml", "--help"]])
    def test_help_prints_the_usage_and_exits_0(self, arguments: list[str]) -> None:
        done = run_stage(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Does a thing.\n\n    python -m stage SPEC\n"


class TestSpecArguments:
    def test_the_first_is_the_spec_and_the_others_are_overrides(self) -> None:
        assert spec_arguments(["s", "a=1", "b=2"], None) == ("s", ["a=1", "b=2"])

    def test_none_at_all_is_bad_input(self) -> None:
        with pytest.raises(InputError, match="a spec file is needed"):
            spec_arguments([], None)


class TestProgressWithoutATerminal:
    def test_prints_one_line_at_the_end(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress("train", 2_000, "rows") as advance:
            for _ in range(2_000):
                advance(1)
        assert capsys.readouterr().err == "train: 2,000 / 2,000 rows\n"

    def test_writes_nothing_to_stdout(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress("train", 1, "rows") as advance:
            advance(1)
        assert capsys.readouterr().out == ""

    def test_prints_one_line_though_the_total_is_passed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with progress("read", 10, "bytes") as advance:
            for _ in range(8):
                advance(3)
        assert capsys.readouterr().err == "read: 12 / 10 bytes\n"

    def test_prints_a_line_an_interval(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.0)
        with progress("train", 3, "rows") as advance:
            advance(1)
            advance(2)
        lines = capsys.readouterr().err.splitlines()
        assert lines == ["train: 1 / 3 rows", "train: 3 / 3 rows"]

    def test_keeps_the_latest_note(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress("train", 3, "rows") as advance:
            advance(1, "loss 0.6")
            advance(1, "loss 0.5")
            advance(1)
        assert capsys.readouterr().err == "train: 3 / 3 rows loss 0.5\n"

    def test_is_silent_when_not_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress("train", 1, "rows", shown=False) as advance:
            advance(1, "note")
        assert capsys.readouterr() == ("", "")


def at_a_terminal(shown: bool) -> str:
    """What a progress of 40 rows leaves on a pseudo-terminal of 100 columns."""
    script = textwrap.dedent(f"""
        from pipeline.console import progress
        with progress("train", 40, "rows", shown={shown}) as advance:
            for _ in range(40):
                advance(1, "loss 0.5")
    """)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONUTF8": "1"}
    terminal, child = pty.openpty()
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stderr=child, stdin=child, env=environment) as process:
        os.close(child)
        written = b""
        # The read fails when the last process at the other end is gone.
        try:
            while piece := os.read(terminal, 4096):
                written += piece
        except OSError:
            pass
    os.close(terminal)
    assert process.returncode == 0
    return written.decode()


class TestProgressAtATerminal:
    def test_draws_one_bar_with_counts_and_note(self) -> None:
        written = at_a_terminal(shown=True)
        assert "━━━" in written
        assert "40/40" in written
        assert "loss 0.5" in written
        # Redrawn in place: one line break, when it is whole.
        assert written.count("\n") <= 1
        assert "40 / 40" not in written

    def test_is_silent_when_not_shown(self) -> None:
        assert at_a_terminal(shown=False) == ""
