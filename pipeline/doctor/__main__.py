"""Checks this environment and says what to do about each fault.

    python -m pipeline.doctor [FOLDER]     FOLDER is where runs go; runs/ where it is left out

Looks at Python, the versions of torch, torchrec and fbgemm, which fbgemm is loaded, one small
training step through DistributedModelParallel on the device that is there, the host's name, shared
memory and the folders that are written to. Exits with 1 where something keeps it from training.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.finding import Finding
from pipeline.doctor.imports import check_libraries
from pipeline.doctor.machine import check_machine
from pipeline.doctor.versions import check_python, check_triple, installed_versions

_MARKS = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}


def main(arguments: list[str]) -> int:
    """Prints a line a check, and a line of cure below each that is not well."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print((__doc__ or "").strip())
        return 0
    states = []
    for finding in _findings(Path(arguments[0] if arguments else "runs")):
        print(f"{_MARKS[finding.state]}  {finding.subject}: {finding.found}", flush=True)
        if finding.cure:
            print(f"         do: {finding.cure}", flush=True)
        states.append(finding.state)
    faults, warnings = states.count("fault"), states.count("warning")
    print(f"{len(states)} checks, {faults} faults, {warnings} warnings")
    return 1 if faults else 0


def _findings(folder: Path) -> Iterator[Finding]:
    yield check_python()
    yield from check_triple(installed_versions())
    yield from check_libraries()
    yield from check_machine(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
