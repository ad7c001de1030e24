"""Names, shared memory and folders, without any library."""

import errno
from pathlib import Path

import pytest

from pipeline.doctor import machine
from pipeline.doctor.finding import Finding
from pipeline.doctor.machine import check_machine


def findings(folder: Path) -> dict[str, Finding]:
    return {finding.subject: finding for finding in check_machine(folder)}


def test_a_folder_that_is_not_there_yet_is_well_where_it_can_be_made(tmp_path: Path) -> None:
    assert findings(tmp_path / "runs" / "deep")["runs"].state == "ok"


def test_runs_that_cannot_be_written_are_a_fault(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    finding = findings(blocked / "runs")["runs"]
    assert (finding.state, "cannot be written to" in finding.found) == ("fault", True)
    assert "run.directory" in finding.cure


def test_little_shared_memory_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(machine, "SHARED_MEMORY_BYTES", 1 << 60)
    finding = findings(tmp_path)["shared memory"]
    assert finding.state == "warning"
    assert "--shm-size" in finding.cure


def test_a_host_name_that_does_not_resolve_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reserved top-level domain of RFC 2606 resolves nowhere.
    monkeypatch.setattr("socket.gethostname", lambda: "node.invalid")
    finding = findings(tmp_path)["host name"]
    assert (finding.state, finding.cure) == (
        "fault",
        "add it to /etc/hosts: 127.0.0.1 node.invalid",
    )


def test_a_folder_below_one_that_may_not_be_entered_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the system answers all but the owner; root may enter everything.
    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    finding = findings(tmp_path / "runs")["runs"]
    assert (finding.state, finding.found) == (
        "fault",
        f"{tmp_path / 'runs'} cannot be written to: Permission denied",
    )


def homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_user_without_a_home_is_warned_where_the_package_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package := tmp_path / "package").touch()
    monkeypatch.setattr(machine, "OWN_CACHE", package / "__pycache__")
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    finding = findings(tmp_path)["compiled kernels"]
    assert (finding.state, "home" in finding.found) == ("warning", True)
    assert "NUMBA_CACHE_DIR" in finding.cure


def test_a_user_without_a_home_needs_none_where_the_cache_has_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert findings(tmp_path)["compiled kernels"].state == "ok"


def test_kernels_that_can_be_kept_beside_their_module_need_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(machine, "OWN_CACHE", tmp_path / "__pycache__")
    finding = findings(tmp_path)["compiled kernels"]
    assert (finding.state, finding.found.split(", ")[0]) == ("ok", str(tmp_path / "__pycache__"))


def test_no_folder_for_temporary_files_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    finding = findings(tmp_path)["temporary files"]
    assert (finding.state, "No usable temporary directory" in finding.found) == ("fault", True)
