"""The chain, through the real Runner, components and torchrun, on stages of a few lines.

The stages stand in a ``pipeline`` package of the working directory, which local_cwd and
``python -m`` find before the installed one.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PREPARE = """
import sys, time
from pathlib import Path
print("prepare", sys.prefix, sys.argv[1:])
if not Path(sys.argv[1]).exists():
    print(f"error: {sys.argv[1]}: no such spec file", file=sys.stderr)
    sys.exit(2)
if "prepare=wait" in sys.argv:
    time.sleep(60)
"""
TRAIN = """
import os, signal, sys, time
from pathlib import Path
rank = os.environ["RANK"]
Path(f"pid{rank}").write_text(str(os.getpid()))
if rank == "0":
    print("train", sys.prefix, sys.argv[1:], "of", os.environ["WORLD_SIZE"])
if rank == "1" and "train=die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
if "train=wait" in sys.argv:
    time.sleep(60)
"""
EVALUATE = """
import sys
print("evaluate", sys.prefix, sys.argv[1:])
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A working directory with a spec and the three small stages."""
    package = tmp_path / "pipeline"
    package.mkdir()
    stages = {"__init__": "", "prepare": PREPARE, "train": TRAIN, "evaluate": EVALUATE}
    for name, source in stages.items():
        (package / f"{name}.py").write_text(source)
    (tmp_path / "a.toml").write_text("")
    return tmp_path


def chain(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the chain with a PATH that has no environment on it."""
    command = [sys.executable, "-m", "components.chain", "--scheduler", "local_cwd", *arguments]
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "HOME": str(directory)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def alive(directory: Path) -> list[str]:
    """The processes that still run in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == directory:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_stages_run_in_order_with_the_overrides_in_this_interpreters_environment(
    directory: Path,
) -> None:
    code, out, err = finished(chain(directory, "--spec", "a.toml", "-j", "1x1", "--", "k=x y"))
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
    assert (directory / "runs/.torchx").is_dir()


def test_one_stage_alone_can_be_run(directory: Path) -> None:
    only = ["--only", "prepare"]
    code, out, err = finished(chain(directory, "--spec", "a.toml", *only, "--", "k=v"))
    stages = [line for line in out.splitlines() if line.startswith("== ")]
    assert [line.split()[1] for line in stages] == ["prepare:", "prepare:"]
    assert f"prepare {sys.prefix} ['a.toml', 'k=v']" in out
    assert (code, err) == (0, "")


def test_bad_input_stops_the_chain_with_one_clear_line(directory: Path) -> None:
    code, out, err = finished(chain(directory, "--spec", "b.toml", "--", "k=x y"))
    lines = err.splitlines()
    assert code == 2
    assert lines[0] == "error: b.toml: no such spec file"
    assert lines[1].startswith("== prepare: failed after")
    log = directory / lines[1].split()[-1] / "prepare/0/combined.log"
    assert "no such spec file" in log.read_text()
    assert lines[2:] == [
        "   to go on: python -m components.chain --scheduler local_cwd --spec b.toml -- 'k=x y'"
    ]
    assert "train" not in out


def test_a_rank_that_is_killed_stops_the_chain_and_is_named(directory: Path) -> None:
    code, out, err = finished(chain(directory, "--spec", "a.toml", "--", "train=die"))
    assert code == 1
    assert "== prepare: done" in out
    assert "evaluate" not in out
    assert "rank      : 1 (local_rank: 1)" in err
    assert "(SIGKILL)" in err
    assert "Traceback" not in err
    assert "== train: failed after" in err
    assert "to go on: python -m components.chain" in err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_chain_leaves_no_process(directory: Path, name: str) -> None:
    number = signal.Signals[name]
    process = chain(directory, "--spec", "a.toml", "--", "train=wait")
    for line in process.stdout:
        if line.startswith("train "):
            break
    # the chain, torchrun and its two ranks: otherwise an empty list later would prove nothing
    assert len(alive(directory)) == 4
    process.send_signal(number)
    code, out, err = finished(process)
    assert code == 128 + number
    assert f"== train: cancelled on {name}" in err
    assert "to go on: python -m components.chain" in err
    assert "Traceback" not in out + err
    assert alive(directory) == []


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
    directory: Path, arguments: list[str], says: str
) -> None:
    code, out, err = finished(chain(directory, "--spec", "a.toml", *arguments))
    assert code == 2
    assert says in err.splitlines()[-1]
    assert "error: " in err
    assert out == ""
    assert not (directory / "runs").exists()


def test_torchxconfig_gives_the_defaults_of_components(directory: Path) -> None:
    (directory / ".torchxconfig").write_text("[component:mep.train]\nj = nonsense\n")
    code, _, err = finished(chain(directory, "--spec", "a.toml"))
    assert code == 2
    assert "Given: nonsense" in err
