"""Whether TorchX can start the stages from here."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.cures import PIP
from pipeline.doctor.finding import Finding, well
from pipeline.doctor.trial import attempt

_FIND_COMPONENT = (
    "from torchx.specs.finder import get_component; print(get_component('mep.train').name)"
)


def check_launching() -> Iterator[Finding]:
    """TorchX must know the components, and the PATH must have this environment's programs."""
    # -P: the program torchx does not have the working directory on its path either.
    finding = attempt("TorchX components", ["-P", "-c", _FIND_COMPONENT])
    if "ComponentNotFoundException" in finding.found:
        found = "TorchX does not find mep.train: this package's entry points are not installed"
        cure = f"in its folder: {PIP} install --no-deps -e ."
        finding = Finding("TorchX components", "fault", found, cure)
    yield finding
    yield _check_path(Path(sys.executable).parent)


def _check_path(programs: Path) -> Finding:
    """TorchX and torchrun start ``python`` and ``torchrun`` by name."""
    for name in ("python", "torchrun"):
        found = shutil.which(name)
        if found is None or not Path(found).parent.samefile(programs):
            where = found or "not there"
            return Finding(
                "PATH",
                "warning",
                f"{name} is {where}, and this environment's programs are in {programs}",
                f"source {programs / 'activate'} before torchx run; components.chain needs it not",
            )
    return well("PATH", f"python and torchrun are those of {programs}")
