"""How many threads work, where the system leaves a process fewer CPUs than there are."""

import os
from pathlib import Path

import pytest
from cgroup_folders import own_groups, write_limit

from pipeline.data.preparation import build as build_module
from pipeline.data.preparation.build import build
from pipeline.data.preparation.engines import open_engine
from pipeline.data.sources import time_split
from pipeline.data.threads import thread_count
from pipeline.spec import PrepareSpec

JOB = "slurm/job_7"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """64 CPUs, of which the process may use 5; returns where its cgroups' folders are."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7, 9, 11})
    return own_groups(monkeypatch, tmp_path, f"0::/{JOB}", f"3:cpu,cpuacct:/{JOB}")


@pytest.mark.parametrize(
    ("quota", "count"),
    [(None, 5), ("max 100000", 5), ("150000 100000", 2), ("900000 100000", 5), ("1000 100000", 1)],
)
def test_0_threads_are_as_many_as_the_cpus_that_may_be_used(
    machine: Path, quota: str | None, count: int
) -> None:
    if quota:
        write_limit(machine / "cpu.max", quota)
    assert thread_count(0) == count
    assert thread_count(9) == 9
    with open_engine(PrepareSpec()) as engine:
        assert engine.slots == count


def test_the_quota_of_a_job_within_the_container_holds_too(machine: Path) -> None:
    write_limit(machine / "cpu.max", "400000 100000")
    write_limit(machine / JOB / "cpu.max", "300000 100000")
    assert thread_count(0) == 3


@pytest.mark.parametrize(("quota", "count"), [("-1", 5), ("250000", 3)])
def test_a_quota_of_the_first_version_of_cgroups_holds(
    machine: Path, quota: str, count: int
) -> None:
    write_limit(machine / "cpu" / JOB / "cpu.cfs_quota_us", quota)
    write_limit(machine / "cpu" / JOB / "cpu.cfs_period_us", "100000")
    assert thread_count(0) == count


@pytest.mark.parametrize(("wanted", "count"), [(0, 5), (1, 1)])
def test_every_pool_of_a_preparation_has_as_many(
    make_spec,
    tmp_path: Path,
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: int,
    count: int,
) -> None:
    pools = []
    for module in (build_module, time_split):

        class Watched(module.ThreadPoolExecutor):
            def __init__(self, workers: int, thread_name_prefix: str = "") -> None:
                pools.append(workers)
                super().__init__(workers, thread_name_prefix)

        monkeypatch.setattr(module, "ThreadPoolExecutor", Watched)
    path = tmp_path / "log.csv"
    path.write_text("label,t\n" + "".join(f"{row % 2},{row}\n" for row in range(20)))
    spec = make_spec(
        format="csv",
        source=str(path),
        fields=[{"name": "t"}],
        split={"by": "time", "column": "t"},
        prepare={"threads": wanted},
    )
    build(spec, {})
    assert pools == [count, count]
