"""From a file of matrices to their report."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.console import InputError
from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.matrices.choosing import choose_fields
from pipeline.diagnostics.matrices.measuring import measure_fields
from pipeline.diagnostics.matrices.opening import open_tensors
from pipeline.diagnostics.matrices.page import write_matrices_report
from pipeline.spec_matrices import MatricesSpec

# What a training leaves in its directory.
TRAINING_RECORDS = ("training.json", "spec.toml")
# Fields whose figures are printed; all are in the report.
PRINTED = 20


def evaluate_matrices(path: Path, spec: MatricesSpec) -> None:
    """Measures the matrices of a file, writes their report and prints the verdicts.

    Raises:
        InputError: several processes; a run's directory; what the file or ``spec`` has wrong.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(f"{path}: matrices are analysed by one process; start it without torchrun")
    directory = Path(spec.run.directory) if spec.run.directory else Path("runs") / path.stem
    if any((directory / name).exists() for name in TRAINING_RECORDS):
        raise InputError(f"{directory}: holds a training's run; give another run.directory")
    tensors = open_tensors(path)
    if not spec.tensors:
        _list([str(tensor) for tensor in tensors if tensor.is_matrix])
    fields = choose_fields(path, tensors, spec.tensors)
    counts = Path(spec.counts) if spec.counts else None
    collapse = measure_fields(path, fields, counts)
    page = write_matrices_report(directory, path, fields, collapse, weighted=counts is not None)
    for field in collapse[:PRINTED]:
        print(_line(field))
    if len(collapse) > PRINTED:
        print(f"and {len(collapse) - PRINTED} more")
    print(f"report: {page}")


def _list(lines: Sequence[str]) -> None:
    """The matrices of a file of several, so that patterns can be written."""
    if len(lines) > 1:
        print("\n".join(lines))


def _line(field: FieldCollapse) -> str:
    return (
        f"{field.name}: {field.cardinality:,} x {field.together.dimensions}, {field.level}: "
        f"{field.verdict}; information abundance {field.together.information_abundance:.2f}, "
        f"{field.abundance_over_random:.3f} of a random matrix's"
    )
