"""Names, shared memory and folders, without any library."""

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
