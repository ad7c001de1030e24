"""What each component asks of each scheduler.

Every request is compared with a stored one, so that a change of it is seen; what must stand in it
is said by the tests of each scheduler. After a change that is meant, renew the stored ones and look
at the difference:

    RENEW_REQUESTS=1 pytest tests/components/test_requests.py; git diff tests/components/requests
"""

import os
import subprocess
from typing import Any

import pytest
import yaml
from dry_runs import ARGUMENTS, CFG, ROOT, request

pytest.importorskip("kubernetes")
# TorchX warns of Volcano's retries, and of AWS's nodes that have no instance type.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchx")

REQUESTS = ROOT / "tests" / "components" / "requests"
IMAGE = "registry.example.com/mep:1"
NODES = "train on two nodes"
OVERRIDES = "specs/demo.toml run.seed=1 'data.source=/x y/$HOME/train.txt'"
MEMORY = 1568 * 1024


class _Block(yaml.SafeDumper):
    """Text of several lines is written as lines."""


def _lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else "")


_Block.add_representer(str, _lines)


def train_command(host: str) -> list[str]:
    """What two nodes of 8 processes run, if they meet at ``host``."""
    torchrun = (
        "torchrun --rdzv_conf join_timeout=1800,read_timeout=300 --rdzv_backend c10d"
        f" --rdzv_endpoint ${{{host}:=localhost}}:29501 --rdzv_id 'APP' --nnodes 2"
        " --nproc_per_node 8 --tee 3 --role '' -m pipeline.train "
    )
    return ["bash", "-c", torchrun + OVERRIDES]


def said_environment(environment: dict[str, str]) -> dict[str, str]:
    """Those variables that the case's arguments tell of."""
    names = ("A", "B", "OMP_NUM_THREADS", "PET_MAX_RESTARTS")
    return {name: environment[name] for name in names}


ENVIRONMENT = {"A": "1", "B": "2", "OMP_NUM_THREADS": "4", "PET_MAX_RESTARTS": "5"}


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("scheduler", CFG)
def test_a_request_is_the_stored_one(scheduler: str, case: str) -> None:
    file = REQUESTS / scheduler / f"{case.replace(' ', '_')}.yaml"
    made = request(case, scheduler)
    if "RENEW_REQUESTS" in os.environ:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.dump(made, Dumper=_Block, width=100))
    assert made == yaml.safe_load(file.read_text())


def test_no_stored_request_is_left_over() -> None:
    stored = {path.relative_to(REQUESTS) for path in REQUESTS.rglob("*.*")}
    cases = [f"{case.replace(' ', '_')}.yaml" for case in ARGUMENTS]
    assert {str(path) for path in stored} == {f"{s}/{case}" for s in CFG for case in cases}


class TestKubernetes:
    @pytest.fixture
    def job(self) -> dict[str, Any]:
        return request(NODES, "kubernetes")["spec"]

    @pytest.fixture
    def containers(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        pods = [task["template"]["spec"] for task in job["tasks"]]
        assert {pod["serviceAccountName"] for pod in pods} == {"trainer"}
        return [container for pod in pods for container in pod["containers"]]

    def test_every_node_runs_the_image_and_meets_at_the_first(
        self, containers: list[dict[str, Any]]
    ) -> None:
        first, second = containers
        assert first["command"] == train_command("TORCHX_RANK0_HOST")
        assert second["command"] == train_command("VC_TRAIN_0_HOSTS")
        assert first["image"] == second["image"] == IMAGE
        assert first["ports"] == [{"containerPort": 29501, "name": "c10d"}]

    def test_a_node_is_reserved_with_its_gpus(self, containers: list[dict[str, Any]]) -> None:
        limits = {"cpu": "88000m", "memory": f"{MEMORY}M", "nvidia.com/gpu": "8"}
        assert [container["resources"]["limits"] for container in containers] == [limits] * 2

    def test_shared_memory_is_not_the_64_mb_of_containers(self, job: dict[str, Any]) -> None:
        for task in job["tasks"]:
            pod = task["template"]["spec"]
            (mount,) = [
                mount
                for mount in pod["containers"][0]["volumeMounts"]
                if mount["mountPath"] == "/dev/shm"
            ]
            (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
            assert volume["emptyDir"] == {"medium": "Memory"}

    def test_mounts_are_of_the_host_and_of_a_claim(self, job: dict[str, Any]) -> None:
        pod = job["tasks"][1]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        assert volumes[mounts["/data"]["name"]]["hostPath"] == {"path": "/data"}
        claim = volumes[mounts["/app/runs"]["name"]]["persistentVolumeClaim"]
        assert claim == {"claimName": "runs"}
        assert (mounts["/data"]["readOnly"], mounts["/app/runs"]["readOnly"]) == (True, False)

    def test_a_lost_or_failed_pod_restarts_the_job_as_often_as_said(
        self, job: dict[str, Any]
    ) -> None:
        policies = [
            {"action": "RestartJob", "event": "PodEvicted"},
            {"action": "RestartJob", "event": "PodFailed"},
        ]
        assert [task["policies"] for task in job["tasks"]] == [policies, policies]
        assert [job["maxRetry"], *[task["maxRetry"] for task in job["tasks"]]] == [3, 3, 3]

    def test_the_environment_is_what_was_said(self, containers: list[dict[str, Any]]) -> None:
        for container in containers:
            variables = {one["name"]: one["value"] for one in container["env"]}
            assert said_environment(variables) == ENVIRONMENT

    def test_of_an_elastic_job_the_least_nodes_must_come(self) -> None:
        tasks = request("train elastic", "kubernetes")["spec"]["tasks"]
        assert [task["minAvailable"] for task in tasks] == [1, 0]
        command = tasks[0]["template"]["spec"]["containers"][0]["command"][2]
        assert "--nnodes 1:2 --nproc_per_node 1" in command

    def test_a_dask_cluster_has_its_roles(self) -> None:
        tasks = request("prepare on dask", "kubernetes")["spec"]["tasks"]
        names = ["prepare-0", "scheduler-0", "worker-0", "worker-1"]
        assert [task["name"] for task in tasks] == names

    def test_tensorboards_port_is_the_containers(self) -> None:
        (task,) = request("tensorboard to all", "kubernetes")["spec"]["tasks"]
        (container,) = task["template"]["spec"]["containers"]
        assert container["ports"] == [{"containerPort": 6006, "name": "http"}]
        words = "python -m tensorboard.main --logdir /app/runs --host 0.0.0.0 --port 6006"
        assert container["command"] == words.split()


class TestAwsBatch:
    @pytest.fixture
    def job(self) -> dict[str, Any]:
        made = request(NODES, "aws_batch")
        assert (made["queue"], made["job_def"]["type"]) == ("gpu", "multinode")
        return made["job_def"]

    @pytest.fixture
    def container(self, job: dict[str, Any]) -> dict[str, Any]:
        (nodes,) = job["nodeProperties"]["nodeRangeProperties"]
        assert nodes["targetNodes"] == "0:1"
        return nodes["container"]

    def test_every_node_runs_the_image_and_meets_at_the_first(
        self, container: dict[str, Any]
    ) -> None:
        assert container["image"] == IMAGE
        host = "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"
        assert container["command"] == train_command(host)

    def test_a_node_is_reserved_with_its_gpus(self, container: dict[str, Any]) -> None:
        reserved = {one["type"]: one["value"] for one in container["resourceRequirements"]}
        assert reserved == {"VCPU": "88", "GPU": "8", "MEMORY": str(MEMORY)}

    def test_shared_memory_is_not_the_64_mb_of_containers(self, container: dict[str, Any]) -> None:
        assert container["linuxParameters"]["sharedMemorySize"] == MEMORY

    def test_mounts_are_of_the_host_and_of_a_file_system(self, container: dict[str, Any]) -> None:
        volumes = {volume["name"]: volume for volume in container["volumes"]}
        mounts = {mount["containerPath"]: mount for mount in container["mountPoints"]}
        assert volumes[mounts["/data"]["sourceVolume"]]["host"] == {"sourcePath": "/data"}
        system = volumes[mounts["/app/runs"]["sourceVolume"]]["efsVolumeConfiguration"]
        assert system == {"fileSystemId": "runs"}
        assert (mounts["/data"]["readOnly"], mounts["/app/runs"]["readOnly"]) == (True, False)

    def test_a_failed_job_is_attempted_as_often_as_said(self, job: dict[str, Any]) -> None:
        assert job["retryStrategy"]["attempts"] == 3

    def test_the_environment_is_what_was_said(self, container: dict[str, Any]) -> None:
        variables = {one["name"]: one["value"] for one in container["environment"]}
        assert said_environment(variables) == ENVIRONMENT


class TestLocalDocker:
    @pytest.fixture
    def containers(self) -> list[dict[str, Any]]:
        return request(NODES, "local_docker")["containers"]

    def test_every_node_runs_the_image_and_meets_at_the_first(
        self, containers: list[dict[str, Any]]
    ) -> None:
        command = train_command("TORCHX_RANK0_HOST")
        assert [container["command"] for container in containers] == [command] * 2
        assert {container["image"] for container in containers} == {IMAGE}
        names = [container["kwargs"]["hostname"] for container in containers]
        hosts = [
            container["kwargs"]["environment"]["TORCHX_RANK0_HOST"] for container in containers
        ]
        assert hosts == [names[0]] * 2

    def test_a_node_is_reserved_with_its_gpus(self, containers: list[dict[str, Any]]) -> None:
        for container in containers:
            options = container["kwargs"]
            assert (options["nano_cpus"], options["mem_limit"]) == (88 * 10**9, f"{MEMORY}m")
            (device,) = options["device_requests"]
            assert (device["Count"], device["Capabilities"]) == (8, [["compute", "utility"]])

    def test_shared_memory_is_not_the_64_mb_of_containers(
        self, containers: list[dict[str, Any]]
    ) -> None:
        sizes = [container["kwargs"]["shm_size"] for container in containers]
        assert sizes == [f"{MEMORY}m"] * 2

    def test_mounts_are_of_the_host_and_of_a_volume(self, containers: list[dict[str, Any]]) -> None:
        data = {"Target": "/data", "Source": "/data", "Type": "bind", "ReadOnly": True}
        runs = {"Target": "/app/runs", "Source": "runs", "Type": "volume", "ReadOnly": False}
        assert [container["kwargs"]["mounts"] for container in containers] == [[data, runs]] * 2

    def test_a_failed_container_restarts_as_often_as_said(
        self, containers: list[dict[str, Any]]
    ) -> None:
        policy = {"Name": "on-failure", "MaximumRetryCount": 3}
        policies = [container["kwargs"]["restart_policy"] for container in containers]
        assert policies == [policy] * 2

    def test_the_environment_is_what_was_said(self, containers: list[dict[str, Any]]) -> None:
        for container in containers:
            assert said_environment(container["kwargs"]["environment"]) == ENVIRONMENT


class TestSlurm:
    @pytest.fixture
    def script(self) -> str:
        return request(NODES, "slurm")["script"]

    def test_is_a_script_that_bash_takes(self, script: str) -> None:
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")

    def test_every_node_has_a_torchrun_which_meets_at_the_first(self, script: str) -> None:
        torchrun = "--nnodes 2 --nproc_per_node 8 --tee 3"
        assert script.count(torchrun) == script.count("-m pipeline.train specs/demo.toml") == 2
        endpoint = "--rdzv_endpoint ${SLURM_JOB_NODELIST_HET_GROUP_0:=localhost}:29501"
        assert script.count(endpoint) == 2

    def test_a_node_is_reserved_with_its_gpus(self, script: str) -> None:
        # Slurm refuses --gpus-per-task without --ntasks from 23.11 on.
        assert "gpus-per-task" not in script
        reserved = f"--cpus-per-task=88 --mem={MEMORY} --gpus-per-node=8"
        assert script.count(f"--partition=gpu --time=24:00:00 --ntasks-per-node=1 {reserved}") == 2

    def test_a_failed_job_is_requeued_as_often_as_said(self, script: str) -> None:
        assert script.count("--requeue") == 2
        assert "export TORCHX_MAX_RETRIES=3" in script

    def test_the_environment_is_what_was_said(self, script: str) -> None:
        assert script.count("OMP_NUM_THREADS=4,PET_MAX_RESTARTS=5,A=1,B=2,") == 2


class TestLocalCwd:
    def test_prepare_is_one_python_process_with_overrides_as_they_were_given(self) -> None:
        (replica,) = request("prepare", "local_cwd")["role_params"]["prepare"]
        assert replica["args"] == ["python", "-m", "pipeline.prepare", "specs/demo.toml"]
        driver = request("prepare on dask", "local_cwd")["role_params"]["prepare"][0]
        assert driver["args"][-2:] == ["run.seed=1", "data.source=/x y/$HOME/train.txt"]

    @pytest.mark.parametrize(("stage", "processes"), [("train", 2), ("evaluate", 1)])
    def test_a_stage_needs_only_a_spec(self, stage: str, processes: int) -> None:
        (replica,) = request(stage, "local_cwd")["role_params"][stage]
        torchrun = (
            "torchrun --rdzv_backend c10d --rdzv_endpoint localhost:0 --rdzv_id 'APP' --nnodes 1"
            f" --nproc_per_node {processes} --tee 3 --role '' -m pipeline.{stage} specs/demo.toml"
        )
        assert replica["args"] == ["bash", "-c", torchrun]

    def test_a_study_is_one_python_process(self) -> None:
        (replica,) = request("study on gpus", "local_cwd")["role_params"]["study"]
        words = "python -m pipeline.study specs/studies/frappe.toml launch.cells_at_once=8"
        assert replica["args"] == words.split()

    def test_tensorboard_listens_on_this_machine_alone_unless_told(self) -> None:
        (replica,) = request("tensorboard", "local_cwd")["role_params"]["tensorboard"]
        words = "python -m tensorboard.main --logdir runs --host localhost --port 6006"
        assert replica["args"] == words.split()
