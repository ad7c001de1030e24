"""How the processes of a cluster find each other, and what they say when they do not."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import prepare_dask
from pipeline.console import InputError
from pipeline.data.generator.generate import generate
from pipeline.data.preparation.build import build
from pipeline.spec_generator import GeneratorSpec

distributed = pytest.importorskip("distributed")

from pipeline.data.preparation import dask_cluster  # noqa: E402
from pipeline.data.preparation.dask_cluster import (  # noqa: E402
    driving,
    find_scheduler,
    run_scheduler,
    run_worker,
)


@pytest.fixture(scope="module")
def identity() -> Iterator[dict[str, Any]]:
    """A scheduler with one worker, and what it says of itself."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client.scheduler_info()


def scheduler_file(folder: Path, **content: str) -> Path:
    path = folder / "scheduler.json"
    path.write_text(json.dumps(content))
    return path


def test_a_scheduler_is_found_by_its_file(tmp_path: Path, identity: dict[str, Any]) -> None:
    file = scheduler_file(tmp_path, id=identity["id"], address=identity["address"])
    assert find_scheduler(file, 10) == identity["address"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"id": "a", "address": "tcp://127.0.0.1:9"}, "it names none that answers"),
        ({"id": "a"}, "it names none that answers"),
        (None, "no such file"),
    ],
)
def test_a_file_that_leads_nowhere_is_bad_input(
    tmp_path: Path,
    content: dict[str, str] | None,
    found: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_cluster, "ANSWER_S", 1.0)
    file = scheduler_file(tmp_path, **content) if content else tmp_path / "scheduler.json"
    with pytest.raises(InputError, match=f"scheduler.json: no Dask scheduler within 0 s: {found};"):
        find_scheduler(file, 0.1)


def test_another_scheduler_at_an_old_files_address_is_not_taken(
    tmp_path: Path, identity: dict[str, Any]
) -> None:
    file = scheduler_file(tmp_path, id="Scheduler-of-yesterday", address=identity["address"])
    with pytest.raises(InputError, match="it names none that answers"):
        find_scheduler(file, 0.1)


def test_a_spec_may_name_a_scheduler_file(
    make_spec, tmp_path: Path, identity: dict[str, Any]
) -> None:
    generate(tmp_path / "train.txt", GeneratorSpec(rows=100))
    file = scheduler_file(tmp_path, id=identity["id"], address=identity["address"])
    prepare = {"engine": "dask", "scheduler": str(file)}
    spec = make_spec(format="criteo", source=str(tmp_path / "train.txt"), prepare=prepare)
    assert build(spec, {}).rows_read == 100


def test_a_scheduler_whose_driver_does_not_come_ends_and_removes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "scheduler.json"
    with pytest.raises(InputError, match="no driver came within 0 s"):
        asyncio.run(run_scheduler(file, 0.2))
    assert list(file.parent.iterdir()) == []


def test_a_worker_whose_scheduler_does_not_come_ends(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Dask scheduler within 0 s: no such file"):
        asyncio.run(run_worker(tmp_path / "scheduler.json", 1, 1_000, 0.2))


def test_a_driver_says_how_many_workers_came(tmp_path: Path, identity: dict[str, Any]) -> None:
    file = scheduler_file(tmp_path, id=identity["id"], address=identity["address"])
    with (
        pytest.raises(InputError, match="1 of 3 workers came within 1 s"),
        driving(file, 3, 1.0),
    ):
        pytest.fail("not reached")


@pytest.mark.parametrize("kind", ["scheduler", "worker", "driver"])
def test_without_dask_each_process_says_what_to_install(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    more = {
        "scheduler": [],
        "worker": ["--threads", "1", "--memory-mb", "1"],
        "driver": ["--workers", "1", "a.toml"],
    }
    with pytest.raises(InputError, match=r"needs the package distributed: pip install"):
        prepare_dask.main([kind, "--scheduler-file", "a.json", *more[kind]])
