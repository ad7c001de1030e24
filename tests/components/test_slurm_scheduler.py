"""The scheduler of Slurm, with programs in the place of Slurm's clients."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from slurm_cluster import wait_until
from small_stages import finished, start_chain
from torchx.specs import AppDef, AppState, Resource, Role

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
# An scancel that keeps which job it was given.
RECORDED = "#!/bin/sh\necho $1 > cancelled\n"


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


JOB = "JobId=7 JobName=train-0 JobState={} Reason=None Restarts=0"
SILENT = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
UNKNOWN = "slurm_load_jobs error: Invalid job id specified"


def says(clients: Path, job: str = "", error: str = "") -> None:
    """What the controller answers; the accounting knows nothing."""
    put(clients, "scontrol", f"#!/bin/sh\necho '{job or error}' {'' if job else '>&2; exit 1'}\n")
    put(clients, "sacct", "#!/bin/sh\n")


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> SlurmScheduler:
    """One that asks whenever it is asked."""
    monkeypatch.setattr("components.slurm.POLL_S", 0.0)
    return SlurmScheduler("test")


def state(scheduler: SlurmScheduler) -> AppState | None:
    job = scheduler.describe("7")
    return job and job.state


def test_a_job_is_as_it_was_while_the_controller_does_not_answer(
    clients: Path, scheduler: SlurmScheduler
) -> None:
    says(clients, job=JOB.format("RUNNING"))
    assert state(scheduler) == AppState.RUNNING
    says(clients, error=SILENT)
    assert [state(scheduler), state(scheduler)] == [AppState.RUNNING] * 2
    says(clients, job=JOB.format("COMPLETED"))
    assert state(scheduler) == AppState.SUCCEEDED


def test_a_job_that_the_controller_forgot_is_gone(clients: Path, scheduler: SlurmScheduler) -> None:
    says(clients, job=JOB.format("RUNNING"))
    assert state(scheduler) == AppState.RUNNING
    says(clients, error=UNKNOWN)
    assert state(scheduler) is None


@pytest.mark.parametrize("name", ["bash", "my-job", "-7"])
def test_a_job_that_torchx_did_not_submit_is_a_role_of_its_name(
    clients: Path, scheduler: SlurmScheduler, name: str
) -> None:
    says(clients, job=JOB.format("RUNNING").replace("train-0", name))
    job = scheduler.describe("7")
    assert job is not None
    assert [role.role for role in job.roles_statuses] == [name]


def test_a_job_just_submitted_is_known_without_the_controller(
    clients: Path, scheduler: SlurmScheduler, tmp_path: Path
) -> None:
    put(clients, "sbatch", "#!/bin/sh\necho 7\n")
    says(clients, error=SILENT)
    role = Role("train", image="", resource=Resource(cpu=1, gpu=0, memMB=1))
    logs = {"log_dir": str(tmp_path)}
    scheduler.schedule(scheduler.submit_dryrun(AppDef("train", [role]), logs))
    assert state(scheduler) == AppState.SUBMITTED


def start_on_slurm(clients: Path, small_stages: Path) -> subprocess.Popen[str]:
    """A chain on the clients' Slurm, whose job runs without end."""
    says(clients, job=JOB.format("RUNNING"))
    path = f"{clients}:/usr/bin:/bin"
    return start_chain("slurm", small_stages, "--spec", "a.toml", path=path)


def test_an_interrupted_chain_says_that_a_silent_controller_did_not_cancel_the_job(
    clients: Path, small_stages: Path
) -> None:
    put(clients, "sbatch", "#!/bin/sh\necho 7\n")
    put(clients, "scancel", f"#!/bin/sh\necho '{SILENT}' >&2; exit 1\n")
    process = start_on_slurm(clients, small_stages)
    assert process.stdout is not None
    assert process.stdout.readline() == "== prepare: python on slurm\n"
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130
    assert SILENT in err
    assert "== prepare: NOT cancelled on SIGINT" in err
    assert "; later: torchx cancel slurm://torchx/7\n" in err
    assert "Traceback" not in err


def test_a_signal_during_the_submission_cancels_the_job_that_it_gave(
    clients: Path, small_stages: Path
) -> None:
    put(clients, "sbatch", "#!/bin/sh\ntouch asked; sleep 1; echo 7\n")
    put(clients, "scancel", RECORDED)
    process = start_on_slurm(clients, small_stages)
    wait_until(lambda: (small_stages / "asked").exists())
    process.send_signal(signal.SIGTERM)
    code, out, err = finished(process)
    assert (code, out) == (143, "")
    assert "== prepare: cancelled on SIGTERM\n" in err
    assert (small_stages / "cancelled").read_text() == "7\n"


def test_a_chain_whose_output_nobody_reads_cancels_the_job(
    clients: Path, small_stages: Path
) -> None:
    put(clients, "sbatch", "#!/bin/sh\necho 7\n")
    put(clients, "scancel", RECORDED)
    process = start_on_slurm(clients, small_stages)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    assert (small_stages / "cancelled").read_text() == "7\n"
