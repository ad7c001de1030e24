"""Runs a study: a grid of experiments, and the table and page of their results.

    python -m pipeline.study specs/studies/frappe.toml
    python -m pipeline.study specs/studies/frappe.toml grid.seeds=[0] launch.cells_at_once=2
    python -m pipeline.study specs/paper/table5.toml launch.scheduler=slurm launch.processes=1x8

Each cell is a run of `python -m components.chain` in a directory of its own; all share a prepared
dataset. The command, given again, goes on where it was stopped: cells that are done are skipped. A
cell that fails does not stop the others. The results are in <directory>/results/<study>/:
index.html, tables.md, cells.csv, summary.csv, study.json. Exit codes: 0 every cell is done, 1 some
failed, 2 bad input, 130 interrupted.
"""

import shlex
import sys
from pathlib import Path

from pipeline.console import run_entry_point, spec_arguments
from pipeline.spec_file import load_section
from pipeline.spec_study import StudySpec
from pipeline.study.running import run_study


def main(arguments: list[str]) -> None:
    """``SPEC [key=value ...]``."""
    path, overrides = spec_arguments(arguments, __doc__)
    study = load_section(StudySpec, Path(path), overrides)
    command = shlex.join(["python", "-m", "pipeline.study", *arguments])
    if run_study(study, Path(path).stem, command):
        sys.exit(1)


if __name__ == "__main__":
    run_entry_point(main)
