"""The repository's .torchxconfig: its examples are taken when they are uncommented."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from dry_runs import CFG, ROOT, signal_handlers_kept
from torchx.runner import get_runner
from torchx.runner.config import apply, load_sections

from components import stages

pytest.importorskip("kubernetes")
FILE = ROOT / ".torchxconfig"
EXAMPLE = re.compile(r"# (\[[\w:.]+\]|[\w-]+ = .*)")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigParser:
    """The file with every example in force."""
    lines = [EXAMPLE.sub(r"\1", line) for line in FILE.read_text().splitlines()]
    (tmp_path / ".torchxconfig").write_text("\n".join(lines))
    monkeypatch.setenv("TORCHXCONFIG", str(tmp_path / ".torchxconfig"))
    config = ConfigParser()
    config.optionxform = str
    config.read(tmp_path / ".torchxconfig")
    return config


@pytest.mark.parametrize("scheduler", CFG)
def test_the_examples_of_a_scheduler_are_options_of_it(
    scheduler: str, examples: ConfigParser
) -> None:
    with get_runner() as runner:
        known = [name for name, _ in runner.scheduler_run_opts(scheduler)]
    assert examples.options(scheduler)
    assert set(examples.options(scheduler)) <= set(known)


# With local_cwd's example TorchX counts the GPUs that are here.
@pytest.mark.parametrize("scheduler", sorted(CFG.keys() - {"local_cwd"}))
@pytest.mark.filterwarnings("ignore::UserWarning:torchx")
def test_a_training_can_be_asked_for_with_all_examples(
    scheduler: str, examples: ConfigParser
) -> None:
    cfg: dict[str, object] = {}
    apply(scheduler, cfg)
    defaults = load_sections(prefix="component")
    with signal_handlers_kept(), get_runner(component_defaults=defaults) as runner:
        info = runner.dryrun_component("mep.train", ["--spec", "a.toml"], scheduler, cfg=cfg)
    (role,) = info._app.roles
    assert (role.num_replicas, role.resource.gpu, role.max_retries) == (2, 8, 3)
    assert [mount.dst_path for mount in role.mounts] == ["/data", "/app/runs"]


def test_every_default_is_of_an_argument(examples: ConfigParser) -> None:
    sections = [name for name in examples.sections() if name.startswith("component:mep.")]
    assert sections
    for section in sections:
        component = getattr(stages, section.removeprefix("component:mep."))
        assert set(examples.options(section)) <= set(component.__annotations__)
