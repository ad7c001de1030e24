"""A whole study: its cells are checked, run and put into tables and a page."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.whole_files import write_whole
from pipeline.spec_study import StudySpec
from pipeline.study import data_files, tables
from pipeline.study.cells import Cell, cells_of
from pipeline.study.launching import Failure, prepare, run_cells, standing_of
from pipeline.study.page import render
from pipeline.study.results import Result, entries_of, read_result


def run_study(study: StudySpec, name: str, command: str) -> list[Failure]:
    """Runs every cell that is not done, writes the results after each and prints them.

    Args:
        study: its spec.
        name: the results' directory is called so.
        command: that runs it, for the tables.

    Returns:
        The cells without a result.

    Raises:
        InputError: the base spec or a cell's overrides are wrong; nothing has run then.
    """
    cells = cells_of(study)
    check_cells(cells)
    directory = Path(study.directory) / "results" / name
    failures = prepare(cells, study.launch, _say)
    lost = {failure.cell for failure in failures}
    standing = standing_of([cell for cell in cells if cell not in lost])
    failures += standing.failed
    finished = [read_result(cell) for cell in standing.finished]
    _say(f"{len(cells)} cells: {len(finished)} done, {len(standing.waiting)} to run")
    write_results(study, finished, failures, directory, command)
    with closing(run_cells(standing.waiting, study.launch, _say)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                finished.append(outcome)
            write_results(study, finished, failures, directory, command)
    _say((directory / "tables.md").read_text(encoding="utf-8"))
    _say(f"{len(finished)} of {len(cells)} cells are done; page: {directory / 'index.html'}")
    for failure in failures:
        reason = failure.lines[-1] if failure.lines else "nothing in its log"
        _say(f"failed: {failure.cell.name}: {reason}; see {failure.log}")
    return failures


def check_cells(cells: Sequence[Cell]) -> None:
    """Reads every cell's spec, so that nothing wrong in it is found after hours.

    Raises:
        InputError: naming the first cell that is wrong.
    """
    for cell in cells:
        try:
            cell.load()
        except InputError as error:
            raise InputError(f"cell {cell.name}: {error}") from None


def write_results(
    study: StudySpec,
    finished: Sequence[Result],
    failures: Sequence[Failure],
    directory: Path,
    command: str,
) -> None:
    """Writes the tables, the data and the page of what is finished, in the grid's order."""
    cells = cells_of(study)
    results = sorted(finished, key=lambda result: cells.index(result.cell))
    entries = entries_of(study, results)
    failed = [failure.cell.name for failure in failures]
    files = {
        "tables.md": tables.markdown(study, entries, failed, command).encode(),
        "cells.csv": data_files.cells_csv(results),
        "summary.csv": data_files.summary_csv(entries),
        "study.json": data_files.as_json(study, entries, results),
        "index.html": render(study, entries, results, failures, len(cells)).encode(),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(directory / name, content)


def _say(line: str) -> None:
    print(line, flush=True)
