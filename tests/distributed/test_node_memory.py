"""The memory that a process's cgroups leave it, in folders made to look like them."""

from pathlib import Path

import pytest
from cgroup_folders import own_groups, write_limit

from pipeline import cgroups
from pipeline.distributed.node_memory import node_memory


@pytest.mark.parametrize(
    ("line", "controller", "name", "none"),
    [
        ("0::/slurm/job_7/step_0/task_0", "", "memory.max", "max"),
        ("4:memory:/slurm/job_7/step_0/task_0", "memory", "memory.limit_in_bytes", "-1"),
    ],
)
def test_the_least_limit_of_any_group_above_the_process_holds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    controller: str,
    name: str,
    none: str,
) -> None:
    root = own_groups(monkeypatch, tmp_path, "9:cpu:/elsewhere", line) / controller
    write_limit(root / "slurm" / "job_7" / "step_0" / "task_0" / name, none)
    write_limit(root / "slurm" / "job_7" / name, "3000")
    write_limit(root / name, "9000")
    write_limit(root / "slurm" / "job_8" / name, "1")
    assert node_memory() == 3000


def test_a_container_that_does_not_see_its_groups_path_has_the_roots_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = own_groups(monkeypatch, tmp_path, "0::/docker/abc")
    write_limit(root / "memory.max", "5000")
    assert node_memory() == 5000


def test_a_system_without_cgroups_has_its_machines_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = node_memory()
    monkeypatch.setattr(cgroups, "OWN_GROUPS", tmp_path / "missing")
    assert 0 < limited <= node_memory()
