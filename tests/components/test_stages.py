"""The components: what they launch, on which scheduler, and what --help says of them."""

import argparse
import inspect
import re
import shlex
import subprocess
from typing import Any

import pytest
from torch.distributed.elastic.rendezvous.utils import _parse_rendezvous_config
from torch.distributed.run import get_args_parser
from torchx.cli.main import main as torchx
from torchx.components.component_test_base import ComponentTestCase
from torchx.specs import AppDef, macros
from torchx.specs.finder import get_components

from components import stages

STAGES = ["prepare", "train", "evaluate"]
COMPONENTS = [*STAGES, "study", "tensorboard"]


def application(component: str, **arguments: Any) -> AppDef:
    """What a component makes of arguments that are the same for all of them."""
    spec = {} if component == "tensorboard" else {"spec": "a.toml"}
    app: AppDef = getattr(stages, component)(**spec, **arguments)
    return app


def torch_options(arguments: list[str], environment: dict[str, str]) -> argparse.Namespace:
    """What torchrun makes of its command line and environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return get_args_parser().parse_args(arguments)


@pytest.mark.parametrize("component", COMPONENTS)
def test_passes_torchx_component_validation(component: str) -> None:
    ComponentTestCase().validate(stages, component)


@pytest.mark.parametrize("component", COMPONENTS)
def test_help_explains_every_argument(component: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        torchx(["run", f"mep.{component}", "--help"])
    shown = capsys.readouterr().out
    # argparse breaks words at hyphens too.
    words = "".join(shown.split())
    function = getattr(stages, component)
    for name in inspect.signature(function).parameters:
        explanation = re.split("\n    (?! )", inspect.getdoc(function).split(f"\n    {name}: ")[1])
        assert "".join(explanation[0].split()) in words
        assert name == "overrides" or f"--{name} " in shown
    example = next(line for line in shown.splitlines() if "Example: " in line)
    assert f"torchx run mep.{component} --" in example


def test_only_these_are_components_and_torchx_builtins_stay_listed() -> None:
    names = set(get_components())
    assert {name for name in names if name.startswith("mep.")} == {f"mep.{c}" for c in COMPONENTS}
    assert {"dist.ddp", "dist.spmd", "utils.python", "utils.sh", "serve.torchserve"} <= names


def test_an_override_reaches_the_process_as_one_word_through_bash() -> None:
    (role,) = stages.train("data.source=/x y/$HOME/train.txt", spec="a.toml").roles
    program = 'torchrun() { printf "%s|" "$@"; }; '
    words = subprocess.run(
        ["bash", "-c", program + role.args[1]], capture_output=True, text=True, check=True
    )
    assert words.stdout.split("|")[-4:-1] == [
        *["pipeline.train", "a.toml", "data.source=/x y/$HOME/train.txt"]
    ]


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_process_a_gpu_runs_unless_more_is_said(stage: str) -> None:
    def processes(**arguments: Any) -> str:
        return application(stage, **arguments).roles[0].args[1].split("--nproc_per_node ")[1][0]

    on_cpu = {"train": "2", "evaluate": "1"}[stage]
    assert processes() == processes(h="cpu_16") == on_cpu
    assert processes(h="h100_8") == processes(gpu=8) == "8"
    assert processes(gpu=4, j="1x3") == "3"


def test_an_elastic_job_has_nodes_that_may_be_missing() -> None:
    (role,) = stages.train(spec="a.toml", j="2:4x8").roles
    assert (role.min_replicas, role.num_replicas) == (2, 4)
    assert "--nnodes 2:4 --nproc_per_node 8 " in role.args[1]


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_the_rendezvous_is_what_was_said(stage: str) -> None:
    settings = {"join_timeout": "1800", "read_timeout": "300"}
    app = application(stage, j="2x1", rdzv_backend="static", rdzv_port=29512, rdzv_conf=settings)
    words = shlex.split(app.roles[0].args[1].replace(macros.replica_id, "0"))
    options = torch_options(words[1:], {})
    assert (options.rdzv_backend, options.nnodes) == ("static", "2")
    assert options.rdzv_endpoint.endswith(":29512")
    assert _parse_rendezvous_config(options.rdzv_conf) == settings


def test_restarts_reach_torchrun() -> None:
    variable = stages.train(spec="a.toml", max_restarts=3).roles[0].env["PET_MAX_RESTARTS"]
    options = torch_options(["--nproc_per_node", "1", "train.py"], {"PET_MAX_RESTARTS": variable})
    assert options.max_restarts == 3


def test_the_users_environment_wins_over_threads() -> None:
    app = stages.train(spec="a.toml", threads=3, env={"OMP_NUM_THREADS": "7", "A": "1"})
    assert app.roles[0].env["OMP_NUM_THREADS"] == "7"
    assert app.roles[0].env["A"] == "1"
    assert stages.evaluate(spec="a.toml", threads=3).roles[0].env["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("component", COMPONENTS)
def test_resources_mounts_image_and_retries_reach_the_role(component: str) -> None:
    app = application(
        component,
        image="registry/image:1",
        cpu=6,
        memMB=500,
        mounts=["type=bind", "src=/data", "dst=/data", "readonly"],
        max_retries=3,
    )
    (role,) = app.roles
    assert (app.name, role.name, role.image, role.max_retries) == (
        *(component, component),
        *("registry/image:1", 3),
    )
    assert (role.resource.cpu, role.resource.memMB) == (6, 500)
    (mount,) = role.mounts
    assert (mount.src_path, mount.dst_path, mount.read_only) == ("/data", "/data", True)


@pytest.mark.parametrize("component", ["train", "evaluate", "study"])
def test_gpus_get_the_image_that_has_cuda_unless_another_is_said(component: str) -> None:
    def image(**arguments: Any) -> str:
        return application(component, **arguments).roles[0].image

    assert image() == image(h="cpu_16") == "multi-embedding-pipeline:cpu"
    assert image(h="h100_8") == image(gpu=1) == "multi-embedding-pipeline:cuda"
    assert image(h="h100_8", image="registry/image:1") == "registry/image:1"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_named_resource_wins_over_cpu_and_memory(component: str) -> None:
    resource = application(component, h="gpu.small", cpu=6, memMB=500).roles[0].resource
    assert (resource.cpu, resource.gpu, resource.memMB) == (8, 1, 32 * 1024)
