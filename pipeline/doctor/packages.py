"""The packages besides the triple, by what this one says it needs."""

import shlex
from collections.abc import Iterator
from importlib import metadata

from pipeline.doctor.cures import PIP
from pipeline.doctor.finding import Finding, well
from pipeline.doctor.versions import PACKAGES

_PRODUCT = "multi-embedding-pipeline"
_INSTALL = (
    f"in its folder: make env, or {PIP} install -c docker/constraints.txt -e '.[cpu]' "
    "(GPU: '.[cuda]')"
)


def check_packages() -> Iterator[Finding]:
    """Whether this package is installed, and all that it needs at a version that it can use."""
    try:
        label = f"{_PRODUCT} {metadata.version(_PRODUCT)}"
    except metadata.PackageNotFoundError:
        found = f"{_PRODUCT} is not installed, so TorchX does not know its components"
        yield Finding("packages", "fault", found, _INSTALL)
        return
    try:
        unmet = list(_unmet(metadata.requires(_PRODUCT) or []))
    except ModuleNotFoundError:
        yield Finding("packages", "fault", "packaging is not installed", f"{PIP} install packaging")
        return
    if not unmet:
        yield well("packages", f"{label} has what it needs")
        return
    found = f"{label} lacks " + ", ".join(why for _, why in unmet)
    cure = f"{PIP} install {shlex.join([wanted for wanted, _ in unmet])}"
    yield Finding("packages", "fault", found, cure)


def _unmet(requirements: list[str]) -> Iterator[tuple[str, str]]:
    """What is missing or of a wrong version: how to ask pip for it, and how it is."""
    from packaging.requirements import Requirement

    for line in requirements:
        wanted = Requirement(line)
        # The cpu extra lists torchrec's own needs, which CUDA needs as well.
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": "cpu"})
        if not applies or wanted.name in PACKAGES:
            continue
        text = f"{wanted.name}{wanted.specifier}"
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield text, f"{wanted.name} (not installed)"
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            yield text, f"{text} ({version} is installed)"
