"""Puts runs side by side.

    python -m pipeline.compare RUN RUN ...

RUN is the directory of an evaluated run. The table is read from its ``metrics.json``; below it
stand each run's report and TensorBoard logs.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.console import InputError, print_whole, run_entry_point
from pipeline.training.run_directory import RunDirectory

# What a row shows: its title, the dotted key in metrics.json, and how to write the value. A row
# that no run has, such as the oracle's on real data, is left out.
ROWS = (
    ("Training rows", "data.rows.train", "{:,}"),
    ("Test rows", "data.rows.test", "{:,}"),
    ("Fields", "data.fields", "{:,}"),
    ("Interaction", "model.interaction", "{}"),
    ("Embedding sets", "model.sets", "{:,}"),
    ("Dimensions of a set", "model.embedding_dim", "{:,}"),
    ("Embedding optimizer", "embedding_optimizer.name", "{}"),
    ("Embedding updates", "embedding_optimizer.semantics", "{}"),
    ("Embedding parameters", "model.parameters.embedding", "{:,}"),
    ("Dense parameters", "model.parameters.dense", "{:,}"),
    ("Test AUC", "test.auc", "{:.4f}"),
    ("Test logloss", "test.logloss", "{:.4f}"),
    ("Test normalised entropy", "test.normalized_entropy", "{:.4f}"),
    ("Information abundance", "collapse.information_abundance.mean", "{:.2f}"),
    ("Diversity between sets", "collapse.diversity.mean", "{:.2f}"),
    ("Oracle AUC", "oracle.auc", "{:.4f}"),
    ("Share of the way to it", "share_of_oracle", "{:.1%}"),
    ("Training samples/s", "train.samples_per_second", "{:,.0f}"),
)
NEEDED = ("test.auc", "collapse.information_abundance.mean")


def main(arguments: list[str]) -> None:
    """Prints the comparison of the runs that ``arguments`` name."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print((__doc__ or "").strip())
        sys.exit(0)
    if not arguments:
        raise InputError("at least one run directory is needed: RUN RUN ...")
    directories = [Path(argument) for argument in arguments]
    runs = [read_metrics(directory) for directory in directories]
    print_comparison(Console(), directories, runs)


def read_metrics(directory: Path) -> dict[str, Any]:
    """What an evaluated run's ``metrics.json`` holds.

    Raises:
        InputError: when there is none, or it is not that of an evaluated run.
    """
    path = RunDirectory(directory).metrics_file
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{directory}: not an evaluated run, {path.name} is missing; "
            "run `python -m pipeline.evaluate SPEC`"
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error}); evaluate the run again") from None
    for key in NEEDED:
        if lookup(metrics, key) is None:
            raise InputError(f"{path}: {key} is missing; run `python -m pipeline.evaluate SPEC`")
    return metrics


def lookup(metrics: Any, key: str) -> Any:
    """The value at a dotted key, None where it is missing.

    >>> lookup({"test": {"auc": 0.8}}, "test.auc")
    0.8
    """
    for part in key.split("."):
        if not isinstance(metrics, dict) or part not in metrics:
            return None
        metrics = metrics[part]
    return metrics


def print_comparison(
    console: Console, directories: Sequence[Path], runs: Sequence[dict[str, Any]]
) -> None:
    """Prints the table and where each run's report and logs are."""
    print_whole(console, comparison_table(directories, runs))
    lines = ["", "Information abundance: mean over fields, all sets of a field side by side.", ""]
    for run in map(RunDirectory, directories):
        lines += [
            f"{run.path}",
            f"  report            {run.report_file}",
            f"  TensorBoard logs  {run.tensorboard}",
        ]
    lines += ["", f"tensorboard --logdir {_common_directory(directories)}"]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def comparison_table(directories: Sequence[Path], runs: Sequence[dict[str, Any]]) -> Table:
    """A row a figure and a column a run, in the order given."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    names = [_name(directory) for directory in directories]
    unique = len(set(names)) == len(names)
    for name, directory in zip(names, directories, strict=True):
        # Text, so that rich takes no brackets for markup.
        heading = Text(name if unique else str(directory))
        table.add_column(heading, justify="right", no_wrap=True)
    for title, key, style in ROWS:
        values = [lookup(metrics, key) for metrics in runs]
        if any(value is not None for value in values):
            table.add_row(title, *("-" if v is None else style.format(v) for v in values))
    return table


def _name(directory: Path) -> str:
    """The directory's own name, also where it is given as ``.`` or ``..``."""
    return directory.resolve().name if directory.name in ("", "..") else directory.name


def _common_directory(directories: Sequence[Path]) -> str:
    """The nearest directory above all TensorBoard logs."""
    logs = [RunDirectory(directory).tensorboard for directory in directories]
    common = os.path.commonpath([log.resolve() for log in logs])
    return os.path.relpath(common)


if __name__ == "__main__":
    run_entry_point(main)
