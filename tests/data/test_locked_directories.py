"""One process at a time works in a directory that is locked."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.locked_directories import lock

HOLD = """
import sys
from pathlib import Path
from pipeline.data.locked_directories import lock
held = lock(Path(sys.argv[1]), "")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="at work there"):
            lock(tmp_path / "run", "another is at work there")
        holder.kill()
    lock(tmp_path / "run", "").close()


def test_a_file_system_without_locks_is_worked_on_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock(tmp_path, "").close()
    assert capsys.readouterr().err == (
        f"{tmp_path}: its file system has no locks (No locks available): let nothing else work "
        "there at the same time\n"
    )
