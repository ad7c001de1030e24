"""What of a .torchxconfig is refused, and with which words."""

from pathlib import Path

import pytest
from dry_runs import ROOT, signal_handlers_kept
from torchx.schedulers import get_scheduler_factories

from components.torchx_defaults import check_torchxconfig


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".torchxconfig"
    monkeypatch.setenv("TORCHXCONFIG", str(path))
    return path


def check() -> None:
    with signal_handlers_kept():
        check_torchxconfig()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[component:mep.trian]\ngpu = 8\n",
            "[component:mep.trian]: there is no such component; did you mean 'mep.train'?",
        ),
        (
            "[component:mep.dask_roles]\n",
            "[component:mep.dask_roles]: there is no such component; there are: mep.evaluate, "
            "mep.prepare, mep.study, mep.tensorboard, mep.train",
        ),
        (
            "[component:mep.train]\ngpus = 8\n",
            "[component:mep.train] has no argument 'gpus'; did you mean 'gpu'?",
        ),
        (
            "[component:mep.train]\ngpu = eight\n",
            "[component:mep.train] gpu = eight: invalid literal for int() with base 10: 'eight'",
        ),
        (
            "[component:mep.train]\nenv = NCCL_DEBUG\n",
            "[component:mep.train] env = NCCL_DEBUG: `NCCL_DEBUG` does not have at least one "
            "`key=value` pair",
        ),
        ("[slrum]\n", "[slrum]: there is no such section; did you mean 'slurm'?"),
        (
            "[components:mep.train]\ngpu = 8\n",
            "[components:mep.train]: there is no such section; did you mean 'component:mep.train'?",
        ),
        ("[slurm]\npartion = a\n", "[slurm] has no argument 'partion'; did you mean 'partition'?"),
        ("queue = a\n", "File contains no section headers. file: '{file}', line: 1 'queue = a\\n'"),
    ],
)
def test_what_names_nothing_is_refused_in_one_line(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        check()
    assert str(caught.value) == f"{file}: {says.replace('{file}', str(file))}"


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        check()


def test_sections_of_others_are_theirs(file: Path) -> None:
    file.write_text("[cli:run]\na = b\n[component:dist.ddp]\nj = 1x2\n[tracker:mine]\nconfig = a\n")
    check()


@pytest.mark.parametrize("scheduler", get_scheduler_factories())
def test_a_scheduler_may_miss_its_client(file: Path, scheduler: str) -> None:
    file.write_text(f"[{scheduler}]\n")
    check()


def test_the_repositorys_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHXCONFIG", str(ROOT / ".torchxconfig"))
    check()
