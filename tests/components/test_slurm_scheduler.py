"""The scheduler of Slurm, with programs in the place of Slurm's clients."""

import os
import subprocess
from pathlib import Path

import pytest
from torchx.specs import AppDef, Resource, Role

from components.slurm import SlurmScheduler

# As srun does it: --export ends a value at a comma.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
    if [[ $1 == --export=ALL,* ]]; then
        IFS=, read -ra said <<< "${1#--export=ALL,}"
        for one in "${said[@]}"; do [[ $one == *=* ]] && export "$one"; done
    fi
    shift
done
exec "$@"
"""


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found before all others."""
    folder = tmp_path / "clients"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def put(folder: Path, name: str, program: str) -> None:
    (folder / name).write_text(program)
    (folder / name).chmod(0o755)


def test_variables_reach_the_process_with_their_commas(clients: Path) -> None:
    put(clients, "srun", SRUN)
    variables = {"NCCL_IB_HCA": "mlx5_0,mlx5_1", "A": "1", "B": "x y,'$HOME'"}
    program = 'printf "%s|" "$NCCL_IB_HCA" "$A" "$B"'
    role = Role(
        "train",
        image="",
        entrypoint="bash",
        args=["-c", program],
        env=variables,
        resource=Resource(cpu=1, gpu=0, memMB=1),
    )
    request = SlurmScheduler("test").submit_dryrun(AppDef("train", [role]), {}).request
    done = subprocess.run(
        ["bash", "-c", request.materialize()],
        env={**os.environ, "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("|")[:3] == list(variables.values())
