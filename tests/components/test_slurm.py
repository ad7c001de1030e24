"""The chain and TorchX on a real Slurm, on two of its nodes, with small stages."""

import signal
import subprocess
from pathlib import Path

import pytest
from launched_runs import torchx
from slurm_cluster import client, newest_job, wait_until
from small_stages import alive, finished, start_chain

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("slurm_cluster")]

TRAIN_ON_TWO = ["--spec", "a.toml", "--only", "train", "-j", "2x1"]


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return start_chain("slurm", directory, *arguments)


def state_of(job: str) -> str:
    """As the accounting has it, which is seconds late."""
    return client("sacct", "-n", "-P", "-X", "-j", job, "-o", "State")[-1].split()[0]


def test_stages_run_in_order_and_their_logs_are_in_one_place(small_stages: Path) -> None:
    before = {path.name for path in small_stages.iterdir()}
    code, out, err = finished(start(small_stages, "--spec", "a.toml", "-j", "2x1", "--", "k=x y"))
    said = [line.split() for line in out.splitlines() if "waiting for" not in line]
    assert (code, err) == (0, "")
    assert [words[:2] for words in said if words[0] == "=="] == [
        ["==", stage] for stage in ("prepare:", "prepare:", "train:", "train:")
    ] + [["==", "evaluate:"]] * 2
    assert [words[0] for words in said if words[0] != "=="] == ["prepare", "train", "evaluate"]
    assert out.count("['a.toml', 'k=x y']") == 3
    assert "of 2\n" in out
    assert {path.name for path in small_stages.iterdir()} - before == {"pid0", "pid1", "runs"}
    logs = {path.name.split("-", 2)[-1] for path in (small_stages / "runs/.torchx").iterdir()}
    nodes = {"prepare-0.log", "train-0.log", "train-1.log", "evaluate-0.log"}
    assert nodes <= logs


def test_a_rank_that_is_killed_is_named_with_the_job_s_end_and_its_logs(
    small_stages: Path,
) -> None:
    code, out, err = finished(start(small_stages, *TRAIN_ON_TWO, "--", "train=die"))
    assert code == 1
    assert "rank      : 1 (local_rank: 0)" in err
    assert "(SIGKILL)" in err
    assert "Traceback" not in out + err
    *_, verdict, resume = err.splitlines()
    assert "(FAILED, NonZeroExitCode); its whole log: " in verdict
    pattern = Path(verdict.split()[-1])
    assert len(list(pattern.parent.glob(pattern.name))) == 3  # the script's and two nodes'
    assert resume.startswith("   to go on: python -m components.chain --scheduler slurm")


def test_bad_input_is_one_line_and_not_tried_again(small_stages: Path) -> None:
    (small_stages / ".torchxconfig").write_text("[component:mep.prepare]\nmax_retries = 3\n")
    code, _, err = finished(start(small_stages, "--spec", "b.toml", "--only", "prepare"))
    assert code == 2
    assert err.splitlines()[0] == "error: b.toml: no such spec file"
    assert "(CANCELLED" in err.splitlines()[1]


def test_ctrl_c_cancels_the_job_and_torchx_still_tells_of_it(small_stages: Path) -> None:
    process = start(small_stages, *TRAIN_ON_TWO, "--", "train=wait")
    for line in process.stdout:
        if line.startswith("train "):
            break
    job = newest_job(small_stages / "runs/.torchx")
    wait_until(lambda: (small_stages / "pid1").exists())
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert code == 130
    assert "== train: cancelled on SIGINT" in err
    assert "Traceback" not in out + err
    wait_until(lambda: state_of(job) == "CANCELLED")
    wait_until(lambda: alive(small_stages) == [])
    # The controller says COMPLETING for a while after the last process is gone.
    wait_until(lambda: "CANCELLED" in torchx(small_stages, "status", f"slurm://torchx/{job}"))
    logs = torchx(small_stages, "log", f"slurm://torchx/{job}/train")
    assert "['a.toml', 'train=wait'] of 2" in logs


def test_a_request_that_no_node_can_serve_is_refused(small_stages: Path) -> None:
    (small_stages / ".torchxconfig").write_text("[component:mep.prepare]\nmemMB = 900000000\n")
    code, out, err = finished(start(small_stages, "--spec", "a.toml"))
    assert code == 1
    assert "Memory specification can not be satisfied" in err
    assert "error: slurm did not take prepare" in err
    assert out == ""
