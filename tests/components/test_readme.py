"""What the components' README shows works."""

import shlex
from pathlib import Path

from pipeline.spec_file import load_section
from pipeline.spec_study import StudySpec

ROOT = Path(__file__).parents[2]
README = ROOT / "components" / "README.md"


def test_the_study_gives_every_run_at_a_time_a_gpu_of_its_own() -> None:
    text = README.read_text().replace("\\\n", " ")
    (command,) = [line for line in text.splitlines() if "torchx run mep.study -h" in line]
    words = shlex.split(command)
    file = ROOT / words[words.index("--spec") + 1]
    launch = load_section(StudySpec, file, words[words.index("--") + 1 :]).launch
    assert launch.gpus == tuple("01234567")
    assert (launch.cells_at_once, launch.processes) == (8, "1x1")
