"""The same dataset, byte for byte, wherever the work on chunks runs."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from folders import files_of

from pipeline.console import InputError
from pipeline.data.generator.generate import generate
from pipeline.data.preparation.build import build
from pipeline.data.preparation.engines import open_engine
from pipeline.spec import PrepareSpec, Spec
from pipeline.spec_generator import GeneratorSpec

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a cluster of two processes."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_dask_makes_the_bytes_of_threads(make_spec, tmp_path: Path, scheduler: str) -> None:
    source = tmp_path / "train.txt"
    generate(source, GeneratorSpec(rows=3_000))
    prepare = {"minimum_count": 2, "part_rows": 700}

    def prepared(name: str, block_bytes: int, **engine: object) -> dict[str, bytes]:
        spec: Spec = make_spec(
            format="criteo",
            source=str(source),
            directory=str(tmp_path / name),
            prepare={**prepare, **engine},
        )
        build(spec, {}, block_bytes)
        return files_of(spec.dataset_directory)

    expected = prepared("local", 1 << 24, threads=2)
    for block_bytes in (100_000, 1 << 24):
        assert prepared("dask", block_bytes, engine="dask", scheduler=scheduler) == expected


def test_bad_input_is_found_by_a_workers_line(make_spec, tmp_path: Path, scheduler: str) -> None:
    source = tmp_path / "train.txt"
    source.write_text("1\t2\n")
    prepare = {"engine": "dask", "scheduler": scheduler}
    spec = make_spec(format="criteo", source=str(source), prepare=prepare)
    with pytest.raises(InputError, match="line 1: 2 columns found, 40 expected"):
        build(spec, {})
    assert not (tmp_path / "dataset.partial").exists()


def test_a_scheduler_that_is_not_there_is_bad_input() -> None:
    prepare = PrepareSpec(engine="dask", scheduler="nonsense://host:1")
    with (
        pytest.raises(InputError, match="nonsense://host:1: no Dask scheduler"),
        open_engine(prepare),
    ):
        pytest.fail("not reached")


def test_without_the_package_the_message_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    prepare = PrepareSpec(engine="dask", scheduler="tcp://host:1")
    with (
        pytest.raises(InputError, match=r"needs the package distributed: pip install"),
        open_engine(prepare),
    ):
        pytest.fail("not reached")


def test_few_items_are_in_flight_and_results_are_in_order() -> None:
    running, most = 0, 0
    lock = threading.Lock()
    taken: list[int] = []

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001 * (item % 3))
        with lock:
            running -= 1
        return item

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    with open_engine(PrepareSpec(threads=3)) as engine:
        for expected, result in enumerate(engine.ordered_map(work, items(), 2)):
            assert result == expected
            assert len(taken) - expected <= 3 + 2
    assert most <= 3
