"""The limits of a process's cgroups, in folders made to look like them."""

from pathlib import Path

import pytest

from pipeline.distributed.node_memory import cgroup_limits, node_memory


@pytest.mark.parametrize(
    ("line", "controller", "name", "none"),
    [
        ("0::/slurm/job_7/step_0/task_0", "", "memory.max", "max"),
        ("4:memory:/slurm/job_7/step_0/task_0", "memory", "memory.limit_in_bytes", "-1"),
    ],
)
def test_a_limit_holds_at_any_group_above_the_process(
    tmp_path: Path, line: str, controller: str, name: str, none: str
) -> None:
    own = tmp_path / "own"
    own.write_text(f"9:cpu:/elsewhere\n{line}\n")
    task = tmp_path / controller / "slurm" / "job_7" / "step_0" / "task_0"
    task.mkdir(parents=True)
    (task / name).write_text(f"{none}\n")
    (task.parents[1] / name).write_text("3000\n")
    (tmp_path / controller / name).write_text("9000\n")
    (tmp_path / controller / "slurm" / "job_8").mkdir()
    (tmp_path / controller / "slurm" / "job_8" / name).write_text("1\n")
    assert sorted(cgroup_limits(tmp_path, own)) == [3000, 9000]


def test_a_container_that_does_not_see_its_groups_path_has_the_roots_limit(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/docker/abc\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert list(cgroup_limits(tmp_path, own)) == [5000]


def test_a_system_without_cgroups_has_its_machines_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(cgroup_limits(tmp_path, tmp_path / "missing")) == []
    limited = node_memory()
    monkeypatch.setattr("pipeline.distributed.node_memory.OWN_CGROUPS", tmp_path / "missing")
    assert 0 < limited <= node_memory()
