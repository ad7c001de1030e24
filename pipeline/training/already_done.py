"""Whether a stage has nothing left to do. Imports no torch, so that to find out takes no time."""

import json
import os
from typing import Any

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.spec import Spec
from pipeline.spec_training import EvaluateSpec
from pipeline.training.run_directory import RunDirectory
from pipeline.training.table_updates import TableUpdates, settled_updates


def is_trained(spec: Spec) -> bool:
    """Whether the run directory holds the training of this spec, complete; says so if it does.

    Raises:
        InputError: the dataset is not whole, or the directory holds another training.
    """
    directory = RunDirectory(spec.run_directory)
    manifest = read_manifest(spec.dataset_directory)
    facts = directory.completed(spec, manifest)
    if facts is None:
        return False
    _check_updates(directory, facts, settled_updates(spec))
    _say(f"{directory.path}: trained already, nothing has changed, skipped")
    return True


def _check_updates(
    directory: RunDirectory, facts: dict[str, Any], wanted: TableUpdates | None
) -> None:
    """Holds that the tables' updates were those that the spec asks for, where both are known."""
    found = facts.get("embedding_optimizer_semantics")
    if found and wanted and found != wanted:
        raise InputError(
            f"{directory.path}: holds a training with {found} updates of the tables, and this spec "
            f"asks for {wanted} ones (by sharding.type and train.device); give another "
            "run.directory, or set them back"
        )


def is_evaluated(spec: Spec) -> bool:
    """Whether metrics and report are there, of the same settings and younger than the training.

    Says so if they are.

    Raises:
        InputError: as ``is_trained``.
    """
    directory = RunDirectory(spec.run_directory)
    manifest = read_manifest(spec.dataset_directory)
    if directory.completed(spec, manifest) is None:
        return False
    finished = directory.record_file.stat().st_mtime_ns
    outputs = (directory.metrics_file, directory.report_file)
    if not all(path.exists() and path.stat().st_mtime_ns >= finished for path in outputs):
        return False
    try:
        measured = json.loads(directory.metrics_file.read_text()).get("evaluate", {})
    except ValueError:
        return False  # It is written anew.
    # What an older file does not name had its default.
    if {**EvaluateSpec().measures, **measured} != spec.evaluate.measures:
        return False
    _say(f"{directory.path}: evaluated already, nothing has changed, skipped")
    return True


def _say(line: str) -> None:
    """Prints on the first of torchrun's processes, or the only one."""
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)
