"""Whose libraries lie in the folder ``fbgemm_gpu``, told from what pip has recorded."""

from pathlib import Path

import pytest
from broken_sites import pretend_installed

from pipeline.doctor.fbgemm_files import check_fbgemm_files
from pipeline.doctor.finding import Finding
from pipeline.doctor.versions import installed_versions

CPU = {"fbgemm_gpu/a.so": 10, "fbgemm_gpu/b.so": 20}
CUDA = {"fbgemm_gpu/a.so": 1000, "fbgemm_gpu/b.so": 2000}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """First on this process's path, with the CPU build's metadata."""
    pretend_installed(tmp_path, "fbgemm-gpu-cpu", "1.8.0", sizes=CPU)
    (tmp_path / "fbgemm_gpu").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(site: Path, sizes: dict[str, int]) -> None:
    for file, size in sizes.items():
        (site / file).write_bytes(b"\0" * size)


def only() -> Finding:
    (finding,) = check_fbgemm_files(installed_versions())
    return finding


def test_a_build_that_is_whole_is_well(site: Path) -> None:
    write(site, CPU)
    assert (only().state, only().found) == ("ok", "fbgemm-gpu-cpu 1.8.0, whole")


@pytest.mark.parametrize("last", [CPU, CUDA])
def test_of_two_builds_the_one_that_lies_there_is_named(site: Path, last: dict[str, int]) -> None:
    pretend_installed(site, "fbgemm-gpu", "1.8.0", sizes=CUDA)
    write(site, last)
    name = "fbgemm-gpu-cpu" if last is CPU else "fbgemm-gpu"
    assert only().state == "fault"
    assert only().found.endswith(f"what lies there is {name}")


def test_files_that_the_other_build_took_along_are_missed(site: Path) -> None:
    write(site, {"fbgemm_gpu/a.so": 10})
    assert only().state == "fault"
    assert only().found.startswith("1 libraries of fbgemm-gpu-cpu 1.8.0 are missing or another")
    assert "such as fbgemm_gpu/b.so" in only().found


def test_files_of_a_build_that_pip_does_not_know_are_noticed(site: Path) -> None:
    write(site, CUDA)
    assert only().found.startswith("2 libraries of fbgemm-gpu-cpu 1.8.0 are missing or another")


def test_two_builds_that_are_both_whole_stand_in_two_places(
    site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, CPU)
    other = tmp_path_factory.mktemp("other")
    pretend_installed(other, "fbgemm-gpu", "1.8.0", sizes=CUDA)
    (other / "fbgemm_gpu").mkdir()
    write(other, CUDA)
    monkeypatch.syspath_prepend(other)
    assert "each is whole in a site-packages of its own" in only().found
