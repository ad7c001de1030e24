"""Preparing on Dask: three roles that find each other, and that end as their driver ends."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dry_runs import signal_handlers_kept
from folders import files_of
from torchx.runner import Runner, get_runner
from torchx.specs import AppDef, AppState, AppStatus

from components import stages
from pipeline.data.generator.generate import generate
from pipeline.data.preparation.build import build
from pipeline.spec_file import load_spec
from pipeline.spec_generator import GeneratorSpec

pytest.importorskip("distributed")

FILE = "runs/.dask/{app}.json"


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    with signal_handlers_kept():
        yield


def dry_run(arguments: list[str], scheduler: str, **cfg: str) -> Any:
    """What TorchX would hand to the scheduler."""
    with get_runner() as runner:
        words = ["--spec", "a.toml", *arguments]
        return runner.dryrun_component("mep.prepare", words, scheduler, cfg=cfg).request


class TestRoles:
    def test_there_are_three_when_workers_are_asked_for(self) -> None:
        app: AppDef = stages.prepare("a=b", spec="a.toml", workers=3, worker_cpu=4)
        assert [(role.name, role.num_replicas) for role in app.roles] == [
            ("prepare", 1),
            ("scheduler", 1),
            ("worker", 3),
        ]

    def test_environment_mounts_image_and_retries_are_the_same_for_all(self) -> None:
        mounts = ["type=volume", "src=runs", "dst=/app/runs"]
        app: AppDef = stages.prepare(
            spec="a.toml", workers=2, image="a:1", env={"A": "1"}, mounts=mounts, max_retries=2
        )
        for role in app.roles:
            assert (role.image, role.env, role.max_retries) == ("a:1", {"A": "1"}, 2)
            assert [mount.dst_path for mount in role.mounts] == ["/app/runs"]

    def test_a_worker_has_threads_and_memory_as_reserved(self) -> None:
        app: AppDef = stages.prepare(spec="a.toml", workers=1, worker_cpu=6, worker_memMB=900)
        worker = app.roles[2]
        assert worker.args[-4:] == ["--threads", "6", "--memory-mb", "900"]
        assert (worker.resource.cpu, worker.resource.memMB) == (6, 900)

    def test_a_workers_named_resource_wins(self) -> None:
        app: AppDef = stages.prepare(spec="a.toml", workers=1, worker_h="gpu.small", worker_cpu=6)
        assert app.roles[2].args[-4:] == ["--threads", "8", "--memory-mb", str(32 * 1024)]

    def test_the_schedulers_memory_grows_with_the_blocks_on_their_way(self) -> None:
        def memory(workers: int) -> int:
            app: AppDef = stages.prepare(spec="a.toml", workers=workers, worker_cpu=32)
            return app.roles[1].resource.memMB

        assert memory(16) - memory(1) == 15 * 32 * 48


class TestRequests:
    def test_slurm_runs_one_job_whose_roles_share_a_file_named_for_it(self) -> None:
        script = dry_run(["--workers", "2", "--", "b=c d"], "slurm", partition="cpu").materialize()
        file = FILE.format(app='"$SLURM_JOB_ID"')
        assert script.count(f"--scheduler-file {file}") == 4
        assert script.count("#SBATCH hetjob") == 3
        assert f"driver --scheduler-file {file} --workers 2 a.toml 'b=c d'" in script

    def test_kubernetes_runs_a_task_for_each(self) -> None:
        pytest.importorskip("kubernetes")
        job = dry_run(["--workers", "2"], "kubernetes", queue="default").resource
        file = FILE.format(app=job["metadata"]["name"])
        commands = [task["template"].spec.containers[0].command for task in job["spec"]["tasks"]]
        assert [words[3] for words in commands] == ["driver", "scheduler", "worker", "worker"]
        assert all(words[4:6] == ["--scheduler-file", file] for words in commands)


Launch = Callable[..., tuple[Runner, str]]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec in the working directory, whose source is not there yet."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.toml"
    path.write_text(
        '[run]\ndirectory = "run"\n[data]\nformat = "criteo"\nsource = "train.txt"\n'
        "[prepare]\npart_rows = 50000\n"
    )
    return path


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Launches the component with two workers of one thread, for real."""
    with get_runner(extra_paths=[str(Path(sys.executable).parent)]) as runner:

        def launched(*overrides: str) -> tuple[Runner, str]:
            arguments = ["--spec", "a.toml", "--workers", "2", "--worker_cpu", "1"]
            arguments += ["--memMB", "2000", "--worker_memMB", "2000", "--", *overrides]
            cfg = {"log_dir": "logs"}
            return runner, runner.run_component("mep.prepare", arguments, "local_cwd", cfg=cfg)

        yield launched


def finished(runner: Runner, handle: str) -> AppStatus:
    deadline = time.monotonic() + 200
    while (status := runner.status(handle)) is not None and not status.is_terminal():
        assert time.monotonic() < deadline, "a role did not end"
        time.sleep(0.1)
    assert status is not None
    return status


def log_of(role: str) -> str:
    return "".join(path.read_text() for path in Path("logs").rglob(f"{role}/*/combined.log"))


def prepared_here(spec: Path) -> dict[str, bytes]:
    """The dataset that this process makes."""
    here = load_spec(spec, ["data.directory=here"])
    build(here, {})
    return files_of(here.dataset_directory)


def test_the_dataset_is_the_one_of_one_process_to_the_byte(spec: Path, launch: Launch) -> None:
    generate(Path("train.txt"), GeneratorSpec(rows=3_000))
    status = finished(*launch("prepare.minimum_count=2"))
    assert status.state == AppState.SUCCEEDED, log_of("*")
    spec.write_text(spec.read_text() + "minimum_count = 2\n")
    assert files_of(Path("run/dataset")) == prepared_here(spec)
    assert "prepared" in log_of("prepare")
    assert list(Path("runs/.dask").iterdir()) == []


def test_bad_input_fails_the_app_and_ends_all_roles(spec: Path, launch: Launch) -> None:
    status = finished(*launch("data.sauce=x"))
    assert status.state == AppState.FAILED
    assert "error: a.toml: data.sauce: unknown key" in log_of("prepare")
    assert "error" not in log_of("scheduler") + log_of("worker")


def kill_while_reading(words: str) -> None:
    """SIGKILLs a process by words of its command line, once the first chunk is there."""
    deadline = time.monotonic() + 100
    while not list(Path("run").rglob("chunk-*.arrow")):
        assert time.monotonic() < deadline, log_of("*")
        time.sleep(0.02)
    ours = psutil.Process().children(recursive=True)
    victim = next(process for process in ours if words in " ".join(process.cmdline()))
    victim.kill()


@pytest.mark.slow
class TestDeaths:
    """Of each role, in the midst of the work. 300,000 rows are 5 blocks."""

    @pytest.fixture(autouse=True)
    def source(self, spec: Path) -> None:
        generate(Path("train.txt"), GeneratorSpec(rows=300_000))

    def test_a_worker_is_replaced_and_its_work_done_again(self, spec: Path, launch: Launch) -> None:
        app = launch()
        kill_while_reading("spawn_main")
        assert finished(*app).state == AppState.SUCCEEDED, log_of("*")
        assert files_of(Path("run/dataset")) == prepared_here(spec)

    @pytest.mark.parametrize("role", ["driver", "scheduler"])
    def test_the_app_fails_and_the_next_one_goes_on(
        self, spec: Path, launch: Launch, role: str
    ) -> None:
        app = launch()
        kill_while_reading(f"prepare_dask {role}")
        assert finished(*app).state == AppState.FAILED
        assert not Path("run/dataset").exists()
        assert list(Path("run").rglob("chunk-*.arrow"))
        if role == "scheduler":
            assert "the connection to the scheduler was lost; start again" in log_of("prepare")
            assert "Traceback" not in log_of("prepare")
        build(load_spec(spec, ["prepare.threads=1"]), {})
        assert files_of(Path("run/dataset")) == prepared_here(spec)
