"""Checks this environment and says what to do about each fault.

    python -m pipeline.doctor [FOLDER]     FOLDER is where runs go; runs/ where it is left out

Looks at Python, the versions of torch, torchrec and fbgemm, whose libraries fbgemm's are, all other
packages, what loads, the devices, one small training step through DistributedModelParallel, the
components, the PATH, the host's name, shared memory and the folders that are written to. Below each
fault stands what to do, a command where there is one. Exits with 1 where something keeps it from
training, with 2 for an option that there is not. The first fault is often the cause of those after
it: mend it and run this again.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.fbgemm_files import check_fbgemm_files
from pipeline.doctor.finding import Finding
from pipeline.doctor.imports import check_libraries
from pipeline.doctor.launching import check_launching
from pipeline.doctor.machine import check_machine
from pipeline.doctor.packages import check_packages
from pipeline.doctor.versions import check_python, check_triple, installed_versions

_MARKS = {"ok": "ok", "warning": "warning", "fault": "FAULT", "skipped": "skipped"}


def main(arguments: list[str]) -> int:
    """Prints a line a check, and a line of cure below each that is not well."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print((__doc__ or "").strip())
        return 0
    unknown = [argument for argument in arguments if argument.startswith("-")]
    if unknown:
        print(f"error: {unknown[0]}: no such option; give a FOLDER or nothing", file=sys.stderr)
        return 2
    states, cures = [], {""}
    for finding in _findings(Path(arguments[0] if arguments else "runs")):
        print(f"{_MARKS[finding.state]:<8} {finding.subject}: {finding.found}", flush=True)
        cure = "the same as above" if finding.cure in cures else finding.cure
        for line in cure.splitlines() if finding.cure else []:
            print(f"         do: {line}", flush=True)
        cures.add(finding.cure)
        states.append(finding.state)
    faults, warnings = states.count("fault"), states.count("warning")
    print(f"{len(states)} checks; faults: {faults}, warnings: {warnings}")
    return 1 if faults else 0


def _findings(folder: Path) -> Iterator[Finding]:
    installed = installed_versions()
    yield check_python()
    yield from check_triple(installed)
    yield from check_fbgemm_files(installed)
    yield from check_packages()
    yield from check_libraries()
    yield from check_launching()
    yield from check_machine(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
