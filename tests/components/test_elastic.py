"""An elastic training goes on with the nodes that are left."""

import json
import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from dry_runs import signal_handlers_kept
from launched_runs import SPEC, TORCHX
from torchx.runner import get_runner

PATIENCE_S = 300
ARGUMENTS = [
    *["--spec", "small.toml", "-j", "1:2x1", "--max_restarts", "3", "--rdzv_port", "29617"],
    *["--rdzv_conf", "last_call_timeout=5", "--"],
    *["train.epochs=8", "train.patience=8", "train.checkpoint_every=13"],
]


def start_nodes(directory: Path) -> list[subprocess.Popen[bytes]]:
    """What the component runs on each of its two nodes, both on this machine.

    By hand, because TorchX's local scheduler ends an app whose replica dies.
    """
    with signal_handlers_kept(), get_runner() as runner:
        cfg = {"log_dir": str(directory / "logs")}
        request = runner.dryrun_component("mep.train", ARGUMENTS, "local_cwd", cfg=cfg).request
    nodes = []
    for node, replica in enumerate(request.role_params["train"]):
        path = f"{TORCHX.parent}:{os.environ['PATH']}"
        environment = {**os.environ, **replica.env, "PATH": path}
        with (directory / f"node{node}.log").open("wb") as log:
            nodes.append(
                subprocess.Popen(
                    replica.args,
                    cwd=directory,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        # The first hosts the rendezvous, as on a cluster.
        time.sleep(3)
    return nodes


def lose(node: subprocess.Popen[bytes]) -> None:
    """Kills a node's torchrun and its processes at once, as a power cut would."""
    agent = psutil.Process(node.pid)
    for process in [agent, *agent.children(recursive=True)]:
        process.kill()
    node.wait()


@pytest.mark.slow
def test_a_training_goes_on_without_a_lost_node(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SPEC.format(dataset=tiny_dataset))
    run = tmp_path / "runs" / "small"
    nodes = start_nodes(tmp_path)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while len(list(run.glob("checkpoints/step-*"))) < 2 and time.monotonic() < deadline:
            assert nodes[0].poll() is None, (tmp_path / "node0.log").read_text()
            time.sleep(0.2)
        lose(nodes[1])
        assert nodes[0].wait(timeout=PATIENCE_S) == 0, (tmp_path / "node0.log").read_text()
    finally:
        for node in nodes:
            if node.poll() is None:
                lose(node)
    said = (tmp_path / "node0.log").read_text()
    assert said.index("device: 2 x cpu") < said.index("device: 1 x cpu")
    record = json.loads((run / "training.json").read_text())
    assert (record["complete"], record["facts"]["processes"]) == (True, 1)
    assert record["facts"]["epochs"] == 8
