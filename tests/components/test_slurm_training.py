"""Trainings on two nodes of Slurm end with the weights of one machine, also if nodes are lost."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm_cluster import LostNode, client, newest_job, running, wait_until
from small_trainings import SpecMaker, finish, last_state, losses, start_torchrun, write_spec

from pipeline.spec import Spec
from pipeline.training.checkpoints.directories import whole_checkpoints
from pipeline.training.run_directory import RunDirectory

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("slurm_cluster")]

ROOT = Path(__file__).parents[2]
# Enough for two strikes where a step takes 5 ms.
STEPS = 400
# A job that starts while its node registers is one that the node does not know: requeued once more.
SETTLING_S = 15


@pytest.fixture
def specs(make_spec: SpecMaker) -> list[Spec]:
    """Two like runs, with dropout, that write a checkpoint every 20 steps."""
    train = {"batch_size": 16, "epochs": 4, "patience": 4, "checkpoint_every": 20, "log_every": 10}
    names = ("alone", "struck")
    return [make_spec(name, model={"dropout": 0.3}, train=train) for name in names]


Starter = Callable[[Spec, str], subprocess.Popen[str]]


@pytest.fixture
def start_on_slurm(tmp_path: Path) -> Iterator[Starter]:
    """Starts trainings by the chain, with no retries; what still runs at the end is cancelled."""
    started: list[subprocess.Popen[str]] = []

    def start(spec: Spec, j: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "components.chain", "--spec", str(write_spec(spec))]
        command += ["--scheduler", "slurm", "--cfg", f"log_dir={tmp_path / 'logs'}"]
        started.append(
            subprocess.Popen(
                [*command, "--only", "train", "-j", j],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for chain in started:
        chain.terminate()
        chain.communicate()


def last_step(spec: Spec) -> int:
    """The step of the last checkpoint; 0 before the first."""
    checkpoints = whole_checkpoints(RunDirectory(spec.run_directory).checkpoints)
    return int(checkpoints[-1].name.split("-")[1]) if checkpoints else 0


def nodes_of(job: str) -> list[str]:
    """The nodes that a job runs on; the first runs its script."""
    return client("squeue", "-h", "-t", "running", "-j", job, "-o", "%N")


def restarts(job: str) -> int:
    """How often Slurm has requeued it, or any component of it."""
    counts = client("squeue", "-h", "-t", "all", "-j", job, "-O", "restartcnt")
    return max(map(int, counts))


def strike(node: LostNode, job: str, spec: Spec) -> None:
    """Kills a node in mid-training, and brings it back when the survivors have ended by themselves.

    Slurm holds a requeued job back for two minutes, of which only the first seconds are waited for.
    """
    starts = restarts(job)
    node.kill()
    assert last_step(spec) < STEPS
    wait_until(lambda: not running(f"-m pipeline.train {write_spec(spec)}"))
    node.start()
    time.sleep(SETTLING_S)

    def runs_again() -> bool:
        for component in client("squeue", "-h", "-t", "pending", "-j", job, "-o", "%A"):
            client("scontrol", "update", f"jobid={component}", "starttime=now")
        return restarts(job) > starts and len(nodes_of(job)) == 2

    wait_until(runs_again)


def test_the_loss_of_each_node_in_turn_changes_no_bit_of_the_weights(
    specs: list[Spec], start_on_slurm: Starter, tmp_path: Path
) -> None:
    left_alone, struck = specs
    finish(start_on_slurm(left_alone, "2x1"))
    chain = start_on_slurm(struck, "2x1")
    wait_until(lambda: last_step(struck) > 0)
    job = newest_job(tmp_path / "logs")
    _, other = nodes_of(job)
    strike(LostNode(other), job, struck)
    reached = last_step(struck)
    wait_until(lambda: last_step(struck) > reached)
    with_the_script, _ = nodes_of(job)
    strike(LostNode(with_the_script), job, struck)
    output, _ = chain.communicate(timeout=600)
    assert chain.returncode == 0, output
    assert restarts(job) >= 2
    assert f"waiting for slurm://torchx/{job}: " in output
    expected, found = last_state(left_alone), last_state(struck)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not expected[name].equal(found[name])] == []


def test_two_nodes_of_two_processes_train_as_four_on_one_machine(
    make_spec: SpecMaker, start_on_slurm: Starter
) -> None:
    # Not to the bit: the planner places tables otherwise where ranks are on two nodes.
    here, there = make_spec("here"), make_spec("there")
    finish(start_torchrun("pipeline.train", here, 4))
    finish(start_on_slurm(there, "2x2"))
    assert losses(there) == pytest.approx(losses(here), rel=1e-4)
