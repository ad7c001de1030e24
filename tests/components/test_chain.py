"""The chain on this machine, through the real Runner, components and torchrun, on small stages."""

import re
import signal
import sys
from pathlib import Path

import pytest
from small_stages import alive, finished, start_chain


def test_stages_run_in_order_with_the_overrides_in_this_interpreters_environment(
    small_stages: Path,
) -> None:
    code, out, err = finished(
        start_chain("local_cwd", small_stages, "--spec", "a.toml", "-j", "1x1", "--", "k=x y")
    )
    words = [line for line in out.splitlines() if "done in" not in line]
    seen = f"{sys.prefix} ['a.toml', 'k=x y']"
    assert words == [
        "== prepare: python on local_cwd",
        f"prepare {seen}",
        "== train: torchrun 1x1 on local_cwd",
        f"train {seen} of 1",
        "== evaluate: torchrun 1x1 on local_cwd",
        f"evaluate {seen}",
    ]
    assert (code, err) == (0, "")
    assert (small_stages / "runs/.torchx").is_dir()


def test_one_stage_alone_can_be_run(small_stages: Path) -> None:
    only = ["--only", "prepare"]
    code, out, err = finished(
        start_chain("local_cwd", small_stages, "--spec", "a.toml", *only, "--", "k=v")
    )
    stages = [line for line in out.splitlines() if line.startswith("== ")]
    assert [line.split()[1] for line in stages] == ["prepare:", "prepare:"]
    assert f"prepare {sys.prefix} ['a.toml', 'k=v']" in out
    assert (code, err) == (0, "")


def test_bad_input_stops_the_chain_with_one_clear_line(small_stages: Path) -> None:
    code, out, err = finished(
        start_chain("local_cwd", small_stages, "--spec", "b.toml", "--", "k=x y")
    )
    lines = err.splitlines()
    assert code == 2
    assert lines[0] == "error: b.toml: no such spec file"
    assert re.match(r"== prepare: failed after \d+ s; its whole log: ", lines[1])
    log = small_stages / lines[1].split()[-1] / "prepare/0/combined.log"
    assert "no such spec file" in log.read_text()
    assert lines[2:] == [
        "   to go on: python -m components.chain --scheduler local_cwd --spec b.toml -- 'k=x y'"
    ]
    assert "train" not in out


def test_a_rank_that_is_killed_stops_the_chain_and_is_named(small_stages: Path) -> None:
    code, out, err = finished(
        start_chain("local_cwd", small_stages, "--spec", "a.toml", "--", "train=die")
    )
    assert code == 1
    assert "== prepare: done" in out
    assert "evaluate" not in out
    assert "rank      : 1 (local_rank: 1)" in err
    assert "(SIGKILL)" in err
    assert "Traceback" not in err
    assert "== train: failed after" in err
    assert "to go on: python -m components.chain" in err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_chain_leaves_no_process(small_stages: Path, name: str) -> None:
    number = signal.Signals[name]
    process = start_chain("local_cwd", small_stages, "--spec", "a.toml", "--", "train=wait")
    for line in process.stdout:
        if line.startswith("train "):
            break
    # the chain, torchrun and its two ranks: otherwise an empty list later would prove nothing
    assert len(alive(small_stages)) == 4
    process.send_signal(number)
    code, out, err = finished(process)
    assert code == 128 + number
    assert f"== train: cancelled on {name}" in err
    assert "to go on: python -m components.chain" in err
    assert "Traceback" not in out + err
    assert alive(small_stages) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-j", "two"], "Given: two"),
        (["--cfg", "speed=9"], "local_cwd has no option 'speed'"),
        (["--cfg", "speed"], "`speed` does not have at least one `key=value` pair"),
        (["--scheduler", "slrum"], "invalid choice: 'slrum'"),
        (["--scheduler", "kubernetes"], "Required run option: queue"),
    ],
)
def test_a_wrong_request_is_one_line_before_anything_is_launched(
    small_stages: Path, arguments: list[str], says: str
) -> None:
    code, out, err = finished(
        start_chain("local_cwd", small_stages, "--spec", "a.toml", *arguments)
    )
    assert code == 2
    assert says in err.splitlines()[-1]
    assert "error: " in err
    assert out == ""
    assert not (small_stages / "runs").exists()


def test_torchxconfig_gives_the_defaults_of_components(small_stages: Path) -> None:
    (small_stages / ".torchxconfig").write_text("[component:mep.train]\nj = nonsense\n")
    code, _, err = finished(start_chain("local_cwd", small_stages, "--spec", "a.toml"))
    assert code == 2
    assert "Given: nonsense" in err


def test_a_misspelt_default_is_one_line_with_the_nearest_name(small_stages: Path) -> None:
    (small_stages / ".torchxconfig").write_text("[component:mep.train]\nmax_retry = 3\n")
    code, out, err = finished(start_chain("local_cwd", small_stages, "--spec", "a.toml"))
    expected = "[component:mep.train] has no argument 'max_retry'; did you mean 'max_retries'?"
    assert (code, out, err) == (2, "", f"error: {small_stages}/.torchxconfig: {expected}\n")


def test_docker_without_its_daemon_is_one_line(
    small_stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{small_stages}/no.sock")
    code, out, err = finished(start_chain("local_docker", small_stages, "--spec", "a.toml"))
    first, to_go_on = err.splitlines()
    assert first.startswith("error: local_docker did not take prepare: DockerException: ")
    assert to_go_on.startswith("   to go on: ")
    assert (code, out) == (1, "")
