"""What the image is made of: pinned packages, the code and the specs, and nothing else."""

import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from torchx.workspace.docker_workspace import _build_context

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    """Versions by package, with those of the constraints that a file includes."""
    found = {}
    for line in (ROOT / "docker" / name).read_text().splitlines():
        if line.startswith("-c "):
            found |= pins(line.removeprefix("-c "))
        elif line and not line.startswith("#"):
            package, version = line.split("==")
            found[canonicalize_name(package)] = version
    return found


def needed(requirements: list[str]) -> Iterator[Requirement]:
    """The requirements that hold here, and those of what they bring, as it is installed."""
    waiting, seen = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        yield requirement
        for extra in extras:
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                waiting += [
                    found
                    for text in metadata.requires(requirement.name) or []
                    if (found := Requirement(text)).marker is None
                    or found.marker.evaluate({"extra": extra})
                ]


def test_every_package_of_the_cpu_image_is_pinned_at_the_installed_version() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["cpu"], *extras["dask"]]
    packages = {canonicalize_name(requirement.name) for requirement in needed(wanted)}
    assert len(packages) > 50
    pinned = pins("constraints.txt")
    assert {name: pinned.get(name) for name in packages} == {
        name: metadata.version(name).partition("+")[0] for name in packages
    }


@pytest.mark.parametrize(
    ("variant", "constraints"), [("cpu", "constraints.txt"), ("cuda", "constraints-cuda.txt")]
)
def test_the_pins_of_a_variant_are_what_its_extra_asks_for(variant: str, constraints: str) -> None:
    pinned = pins(constraints)
    for text in PROJECT["optional-dependencies"][variant]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text
    assert f"-c docker/{constraints}" in DOCKERFILE
    assert f"'.[{variant},dask]'" in DOCKERFILE


def test_both_variants_have_one_torchrec_and_its_fbgemm() -> None:
    cpu, cuda = pins("constraints.txt"), pins("constraints-cuda.txt")
    assert cpu["torchrec"] == cuda["torchrec"] == cpu["fbgemm-gpu-cpu"] == cuda["fbgemm-gpu"]


def test_the_context_holds_the_code_and_the_specs_and_nothing_else() -> None:
    # TorchX's own reading of .dockerignore, for a workspace patch.
    with _build_context("image", ROOT.as_uri()) as context, tarfile.open(fileobj=context) as tar:
        names = set(tar.getnames())
    assert {"pipeline/train.py", "components/stages.py", "specs/demo.toml"} <= names
    copied = {"pipeline", "components", "specs", "docker", "pyproject.toml", "README.md"}
    allowed = copied | {".torchxconfig", "Dockerfile.torchx"}
    assert {name.partition("/")[0] for name in names} == allowed
    assert not [name for name in names if name.endswith((".pyc", ".png"))]


def test_whatever_the_dockerfile_copies_is_there() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    paths = [path for line in copies for path in line.split()]
    assert "pipeline" in paths
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == ["docker/wheels*"], "a folder of the user's own may be missing, nothing else"


def test_a_cuda_image_with_the_cpu_build_of_torch_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "docker/bytecode.py", "cuda"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "this cuda image has the cpu build of torch" in line
