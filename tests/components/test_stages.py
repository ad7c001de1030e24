"""The components: what they launch, on which scheduler, and what --help says of them."""

import argparse
import inspect
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.run import get_args_parser
from torchx.components.component_test_base import ComponentTestCase
from torchx.runner import get_runner
from torchx.specs import AppDef
from torchx.specs.finder import get_components

from components import stages

STAGES = ["prepare", "train", "evaluate"]
TORCHRUN = (
    "torchrun --rdzv_backend c10d --rdzv_endpoint {endpoint} --rdzv_id '{app}' --nnodes {nodes}"
    " --nproc_per_node {processes} --tee 3 --role '' -m pipeline.{stage} "
)


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Puts pytest's handler of Ctrl-C back: TorchX's local scheduler installs its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def dry_run(stage: str, arguments: list[str], scheduler: str, **cfg: str) -> Any:
    """What TorchX would hand to the scheduler."""
    with get_runner() as runner:
        return runner.dryrun_component(f"mep.{stage}", arguments, scheduler, cfg=cfg).request


def torch_options(arguments: list[str], environment: dict[str, str]) -> argparse.Namespace:
    """What torchrun makes of its command line and environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return get_args_parser().parse_args(arguments)


@pytest.mark.parametrize("stage", STAGES)
def test_passes_torchx_component_validation(stage: str) -> None:
    ComponentTestCase().validate(stages, stage)


@pytest.mark.parametrize("stage", STAGES)
def test_help_explains_every_argument(stage: str) -> None:
    command = [str(Path(sys.executable).parent / "torchx"), "run", f"mep.{stage}", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = " ".join(shown.split())
    for name in inspect.signature(getattr(stages, stage)).parameters:
        explanation = inspect.getdoc(getattr(stages, stage)).split(f"\n    {name}: ")[1]
        assert " ".join(explanation.split("\n    ")[0].split()) in words
        assert name == "overrides" or f"--{name} " in shown


def test_only_the_stages_are_components_and_torchx_builtins_stay_listed() -> None:
    names = set(get_components())
    assert {name for name in names if name.startswith("mep.")} == {f"mep.{s}" for s in STAGES}
    assert {"dist.ddp", "dist.spmd", "utils.python", "utils.sh", "serve.torchserve"} <= names


def test_prepare_is_one_python_process_with_overrides_as_they_were_given() -> None:
    arguments = ["--spec", "specs/a.toml", "--", "data.source=/x y/train.txt", "model.sets=4"]
    request = dry_run("prepare", arguments, "local_cwd", log_dir="logs")
    (replica,) = request.role_params["prepare"]
    assert replica.args == [
        *["python", "-m", "pipeline.prepare", "specs/a.toml"],
        *["data.source=/x y/train.txt", "model.sets=4"],
    ]


def test_train_needs_only_a_spec_and_is_two_processes_of_one_thread() -> None:
    request = dry_run("train", ["--spec", "specs/a.toml"], "local_cwd", log_dir="logs")
    (replica,) = request.role_params["train"]
    torchrun = TORCHRUN.format(
        endpoint="localhost:0", app=request.app_id, nodes=1, processes=2, stage="train"
    )
    assert replica.args == ["bash", "-c", torchrun + "specs/a.toml"]
    assert replica.env["OMP_NUM_THREADS"] == "1"


def test_evaluate_is_one_process_by_default() -> None:
    request = dry_run("evaluate", ["--spec", "specs/a.toml", "--", "a=b"], "local_cwd", log_dir="l")
    (replica,) = request.role_params["evaluate"]
    torchrun = TORCHRUN.format(
        endpoint="localhost:0", app=request.app_id, nodes=1, processes=1, stage="evaluate"
    )
    assert replica.args == ["bash", "-c", torchrun + "specs/a.toml a=b"]


def test_an_override_reaches_the_process_as_one_word_through_bash() -> None:
    arguments = ["--spec", "a.toml", "--", "data.source=/x y/$HOME/train.txt"]
    request = dry_run("train", arguments, "local_cwd", log_dir="logs")
    assert request.role_params["train"][0].args[-1].endswith("'data.source=/x y/$HOME/train.txt'")


def test_restarts_reach_torchrun() -> None:
    variable = stages.train(spec="a.toml", max_restarts=3).roles[0].env["PET_MAX_RESTARTS"]
    options = torch_options(["--nproc_per_node", "1", "train.py"], {"PET_MAX_RESTARTS": variable})
    assert options.max_restarts == 3


def test_the_users_environment_wins_over_threads() -> None:
    app = stages.train(spec="a.toml", threads=3, env={"OMP_NUM_THREADS": "7", "A": "1"})
    assert app.roles[0].env["OMP_NUM_THREADS"] == "7"
    assert app.roles[0].env["A"] == "1"
    assert stages.evaluate(spec="a.toml", threads=3).roles[0].env["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("stage", STAGES)
def test_resources_mounts_image_and_retries_reach_the_role(stage: str) -> None:
    app: AppDef = getattr(stages, stage)(
        spec="a.toml",
        image="registry/image:1",
        cpu=6,
        memMB=500,
        mounts=["type=bind", "src=/data", "dst=/data", "readonly"],
        max_retries=3,
    )
    (role,) = app.roles
    assert (app.name, role.name, role.image, role.max_retries) == (
        *(stage, stage),
        *("registry/image:1", 3),
    )
    assert (role.resource.cpu, role.resource.memMB) == (6, 500)
    (mount,) = role.mounts
    assert (mount.src_path, mount.dst_path, mount.read_only) == ("/data", "/data", True)


@pytest.mark.parametrize("stage", STAGES)
def test_a_named_resource_wins_over_cpu_and_memory(stage: str) -> None:
    app: AppDef = getattr(stages, stage)(spec="a.toml", h="gpu.small", cpu=6, memMB=500)
    resource = app.roles[0].resource
    assert (resource.cpu, resource.gpu, resource.memMB) == (8, 1, 32 * 1024)


def test_slurm_starts_one_torchrun_a_node_which_meet_at_the_first() -> None:
    arguments = ["--spec", "a.toml", "-j", "2x8", "--gpu", "8", "--max_retries", "2", "--", "b=c"]
    script = dry_run("train", arguments, "slurm", partition="gpu").materialize()
    torchrun = "--nnodes 2 --nproc_per_node 8 --tee 3"
    assert script.count(torchrun) == script.count("-m pipeline.train a.toml b=c") == 2
    assert "--rdzv_endpoint ${SLURM_JOB_NODELIST_HET_GROUP_0:=localhost}:29500" in script
    assert script.count("--partition=gpu") == script.count("--gpus-per-task=8") == 2
    assert "export TORCHX_MAX_RETRIES=2" in script


def test_kubernetes_runs_the_image_with_its_gpus_mounts_and_shared_memory() -> None:
    pytest.importorskip("kubernetes")
    arguments = ["--spec", "a.toml", "-j", "1x8", "--gpu", "8", "--image", "mep:cuda"]
    mounts = ["--mounts", "type=bind,src=/data,dst=/data"]
    request = dry_run("train", [*arguments, *mounts, "--", "b=c"], "kubernetes", queue="default")
    (task,) = request.resource["spec"]["tasks"]
    (container,) = task["template"].spec.containers
    assert container.image == "mep:cuda"
    assert container.command[:2] == ["bash", "-c"]
    assert container.command[2].endswith(
        "--nproc_per_node 8 --tee 3 --role '' -m pipeline.train a.toml b=c"
    )
    assert container.resources.limits["nvidia.com/gpu"] == "8"
    assert {mount.mount_path for mount in container.volume_mounts} == {"/dev/shm", "/data"}
