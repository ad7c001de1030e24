"""Whose libraries lie in the folder ``fbgemm_gpu``.

Both builds of fbgemm own that folder. Installing the second writes over the first, and uninstalling
either takes files of the other away; pip notices neither. Each build's own record tells.
"""

import csv
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from pipeline.doctor.cures import triple
from pipeline.doctor.finding import Finding, well
from pipeline.doctor.versions import FBGEMM_CPU, FBGEMM_CUDA

_SUBJECT = "fbgemm files"


def check_fbgemm_files(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the one build that is installed is there, whole.

    Args:
        installed: versions by package, see ``installed_versions``.
    """
    builds = [name for name in (FBGEMM_CPU, FBGEMM_CUDA) if name in installed]
    changed = {name: changed_libraries(metadata.distribution(name)) for name in builds}
    if len(builds) == 2:
        whole = [name for name in builds if not changed[name]]
        state = f"what lies there is {whole[0]}" if whole else "neither is whole"
        if len(whole) == 2:
            state = "each is whole in a site-packages of its own, and the first on the path loads"
        found = (
            f"{FBGEMM_CPU} {installed[FBGEMM_CPU]} and {FBGEMM_CUDA} {installed[FBGEMM_CUDA]} (for "
            f"CUDA) own one folder, fbgemm_gpu: {state}"
        )
        yield Finding(_SUBJECT, "fault", found, triple())
    elif builds:
        name = builds[0]
        label = f"{name} {installed[name]}"
        if not changed[name]:
            yield well(_SUBJECT, f"{label}, whole")
            return
        found = (
            f"{len(changed[name])} libraries of {label} are missing or another build's, such as "
            f"{changed[name][0]}: the other build was installed over it, or removed after it"
        )
        yield Finding(_SUBJECT, "fault", found, triple())


def changed_libraries(build: metadata.Distribution) -> list[str]:
    """The shared libraries that are not as ``build`` installed them, judged by their sizes.

    Reads pip's record: of ``Distribution.files`` Python 3.12 leaves out what is gone.
    """
    record = csv.reader((build.read_text("RECORD") or "").splitlines())
    sizes = {file: int(size) for file, _, size in record if file.endswith(".so")}
    return [
        file for file, size in sizes.items() if _size(Path(str(build.locate_file(file)))) != size
    ]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
