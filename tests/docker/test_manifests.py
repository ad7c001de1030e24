"""compose.yaml and tensorboard.yaml start what the components start, as the image's user."""

import json
import re
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kubernetes import client

from components import stages
from components.roles import IMAGE

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
MANIFESTS = {
    manifest["kind"]: manifest
    for manifest in yaml.safe_load_all((ROOT / "docker" / "tensorboard.yaml").read_text())
}
KINDS = {
    "PersistentVolumeClaim": client.V1PersistentVolumeClaim,
    "Deployment": client.V1Deployment,
    "Service": client.V1Service,
}
STAGES = ("prepare", "train", "evaluate")
TENSORBOARD = stages.tensorboard(host="0.0.0.0").roles[0]


def with_defaults(text: str) -> str:
    """A value of compose's as it is where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).strip()


def started(service: dict[str, Any]) -> list[str]:
    """What a stage's shell starts: compose puts in its values, and leaves $$ to the shell as $."""
    shell, option, line = service["command"]
    assert (shell, option) == ("sh", "-c")
    variables = {key: with_defaults(value) for key, value in service["environment"].items()}
    return Template(with_defaults(line).replace("$$", "$")).substitute(variables).split()


def of_image(pattern: str) -> str:
    """What the Dockerfile says, the last time that it does."""
    return str(re.findall(pattern, DOCKERFILE, re.MULTILINE)[-1])


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("name", [*STAGES, "tensorboard"])
def test_a_service_has_the_image_and_the_user_and_writes_to_the_volume_and_to_memory_alone(
    name: str,
) -> None:
    service = COMPOSE["services"][name]
    assert with_defaults(service["image"]) == IMAGE
    assert service["user"] == of_image(r"^USER (\S+)")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    writable = [mount for mount in service["volumes"] if not mount.endswith(":ro")]
    runs = f"runs:{of_image(r'^WORKDIR (.+)')}/runs"
    assert writable == ([] if name == "tensorboard" else [runs])
    assert name != "tensorboard" or service["volumes"] == [f"{runs}:ro"]


@pytest.mark.parametrize(("earlier", "later"), [STAGES[:2], STAGES[1:]])
def test_a_stage_waits_for_the_success_of_the_one_before(earlier: str, later: str) -> None:
    waits = COMPOSE["services"][later]["depends_on"]
    assert waits == {earlier: {"condition": "service_completed_successfully"}}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_what_its_component_runs(name: str) -> None:
    service = COMPOSE["services"][name]
    exec_, *command = started(service)
    assert exec_ == "exec"
    role = getattr(stages, name)(spec="specs/demo.toml").roles[0]
    asked = " ".join([role.entrypoint, *role.args]).split()
    assert command[command.index("-m") :] == asked[asked.index("-m") :]
    assert command[0] in asked
    # dist.ddp adds variables of its own.
    assert service["environment"].get("OMP_NUM_THREADS") == role.env.get("OMP_NUM_THREADS")


def test_training_has_as_many_processes_as_the_component_starts() -> None:
    (asked,) = re.findall(r"--nproc_per_node \d+", stages.train(spec="s").roles[0].args[-1])
    assert asked in " ".join(started(COMPOSE["services"]["train"]))


def test_tensorboard_is_started_as_by_its_component() -> None:
    expected = [TENSORBOARD.entrypoint, *TENSORBOARD.args]
    assert COMPOSE["services"]["tensorboard"]["command"].split() == expected
    assert pod()["containers"][0]["command"] == expected


def test_tensorboards_port_is_served_and_asked_whether_it_answers() -> None:
    port = TENSORBOARD.port_map["http"]
    service = COMPOSE["services"]["tensorboard"]
    assert with_defaults(service["ports"][0]) == f"127.0.0.1:{port}:{port}"
    assert f"http://localhost:{port}" in service["healthcheck"]["test"]
    (container,) = pod()["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/", "port": "http"}
    (served,) = MANIFESTS["Service"]["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (port, "http")


@pytest.mark.parametrize("kind", KINDS)
def test_kubernetes_client_knows_every_key_of_a_manifest(kind: str) -> None:
    api = client.ApiClient()
    text = SimpleNamespace(data=json.dumps(MANIFESTS[kind]))
    # Keys that it does not know are lost on the way.
    assert api.sanitize_for_serialization(api.deserialize(text, KINDS[kind])) == MANIFESTS[kind]


def test_the_pod_is_the_images_user_and_cannot_write_to_its_root() -> None:
    user, group = map(int, of_image(r"^USER (\S+)").split(":"))
    security = pod()["securityContext"]
    assert security["runAsNonRoot"] is True
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (
        user,
        group,
        group,
    )
    (container,) = pod()["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_mounts_the_claim_where_the_image_has_its_runs() -> None:
    (container,) = pod()["containers"]
    runs, tmp = container["volumeMounts"]
    home = of_image(r"^WORKDIR (.+)")
    assert runs == {"name": "runs", "mountPath": f"{home}/runs", "readOnly": True}
    assert tmp["mountPath"] == "/tmp"
    claim = pod()["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == MANIFESTS["PersistentVolumeClaim"]["metadata"]["name"]


def test_the_service_finds_the_pod() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    wanted = MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= labels.items()
    assert MANIFESTS["Service"]["spec"]["selector"].items() <= labels.items()
