"""Python and the triple of torch, torchrec and fbgemm-gpu, by what is installed.

The three are built for each other: fbgemm-gpu 1.X and torchrec 1.X belong to torch 2.(X + 5). Any
other mix ends in "undefined symbol" at import, or later.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from pipeline.doctor.cures import triple
from pipeline.doctor.finding import Finding, well

PYTHONS = ((3, 11), (3, 12))
FBGEMM_CPU, FBGEMM_CUDA = "fbgemm-gpu-cpu", "fbgemm-gpu"
PACKAGES = ("torch", "torchrec", FBGEMM_CPU, FBGEMM_CUDA)
_TORCH_AHEAD = 5


def installed_versions() -> dict[str, str]:
    """The packages of the triple that are installed, with their versions."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Whether this Python is one that the pipeline is tested on."""
    found = f"{'.'.join(map(str, version))}, {sys.executable}"
    if version in PYTHONS:
        return well("Python", found)
    tested = " or ".join(".".join(map(str, one)) for one in PYTHONS)
    return Finding("Python", "fault", found, f"make an environment with Python {tested}")


def check_triple(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the three are there, once each, and belong together.

    Args:
        installed: versions by package, see ``installed_versions``.
    """
    builds = [name for name in (FBGEMM_CPU, FBGEMM_CUDA) if name in installed]
    missing = [name for name in ("torch", "torchrec") if name not in installed]
    if not builds:
        missing.append(f"{FBGEMM_CPU} (or {FBGEMM_CUDA} for CUDA)")
    if missing:
        found = f"not installed: {', '.join(missing)}"
        yield Finding("triple", "fault", found, triple())
    elif len(builds) == 1:
        yield _check_match(installed, builds[0])


def _check_match(installed: Mapping[str, str], build: str) -> Finding:
    found = ", ".join(f"{name} {installed[name]}" for name in ("torch", "torchrec", build))
    expected = _minor(installed["torch"], 2) - _TORCH_AHEAD
    if expected == _minor(installed["torchrec"], 1) == _minor(installed[build], 1):
        return well("triple", found)
    if expected >= 0:
        partners = f"torch 2.{expected + _TORCH_AHEAD} belongs to torchrec and fbgemm 1.{expected}"
    else:
        partners = "torchrec and fbgemm 1.X belong to torch 2.(X + 5)"
    return Finding("triple", "fault", f"{found} are not one triple: {partners}", triple())


def _minor(version: str, major: int) -> int:
    """X of ``major``.X; a number that fits nothing for another major version."""
    match = re.match(r"(\d+)\.(\d+)", version)
    if match is None or int(match[1]) != major:
        return -1000
    return int(match[2])
