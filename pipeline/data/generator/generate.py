"""Writes click logs whose true probabilities are known.

    label <tab> 13 integers <tab> 26 hashed categoricals        no header, empty = missing
    label,C1,C2,..                                              with a header

The first is Criteo's format and the demo's (``planted_interactions.py``), the second has the
patterns of ``data.generator.planted`` (``planted_patterns.py``). In both the labels depend on pairs
of categorical fields alone, so that a model's AUC has a known ceiling, which a model without
interactions stays far from.

Every column has a stream of uniform numbers of its own, one number a row. So a row does not depend
on how many are written or on the blocks they are written in, and labels and probabilities are
drawn again without the other columns.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from pipeline.console import InputError, progress
from pipeline.data.generator.click_model import ClickModel
from pipeline.data.generator.planted_interactions import demo_model
from pipeline.data.generator.planted_patterns import planted_model
from pipeline.data.sources.byte_blocks import DECOMPRESSORS
from pipeline.data.sources.files import SourceFile
from pipeline.spec_generator import GeneratorSpec

# Raised when the same spec leads to other bytes than before.
GENERATOR_VERSION = 1
BLOCK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Generated:
    """What is known of a generated log.

    Attributes:
        labels: (rows,) uint8, as in the file.
        probabilities: (rows,) float64, the labels were drawn with these.
        auc: of the probabilities over all rows: what no model is expected to pass.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float64]
    auc: float


def generate(path: Path, spec: GeneratorSpec, block_rows: int = BLOCK_ROWS) -> Generated:
    """Writes the log unless it is there already.

    Beside it stands ``<path>.generated.json``, which tells what the file was made from. A file
    that was made from another spec is replaced; one that is not as this function left it is not
    touched.

    Args:
        path: of the log.
        spec: its rows and seed; equal specs give equal bytes.
        block_rows: rows that are in memory at a time, labels and probabilities aside.

    Raises:
        InputError: when a file stands at ``path`` that was not generated, or was changed since,
            or when it cannot be written, or its name is that of a compressed file.
    """
    if path.suffix in DECOMPRESSORS:
        raise InputError(
            f"{path}: data.generator writes plain text, which would be read as compressed; set "
            f"data.source to a path that does not end in {path.suffix}"
        )
    model = planted_model(spec.planted, spec.seed) if spec.planted else demo_model(spec.seed)
    generated = _draw_clicks(spec, model)
    made_before = _read_sidecar(path)
    if made_before is None or made_before["digest"] != _digest(spec):
        try:
            _write(path, spec, model, generated, block_rows)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written: {error.strerror or error}; make room for it, or set "
                "data.source to another path"
            ) from None
    return generated


def _draw_clicks(spec: GeneratorSpec, model: ClickModel) -> Generated:
    """The labels and their probabilities, without the columns that they do not depend on."""
    drawn = _stream(spec, 0)
    streams = [(field, _stream(spec, 1 + model.columns.index(field))) for field in model.planted]
    labels = np.empty(spec.rows, np.uint8)
    probabilities = np.empty(spec.rows)
    for start in range(0, spec.rows, BLOCK_ROWS):
        block = slice(start, min(start + BLOCK_ROWS, spec.rows))
        rows = block.stop - start
        tokens = {field.name: field.tokens(stream.random(rows)) for field, stream in streams}
        probabilities[block] = model.probabilities(tokens)
        labels[block] = drawn.random(rows) < probabilities[block]
    return Generated(labels, probabilities, _auc(labels, probabilities))


def _stream(spec: GeneratorSpec, column: int) -> np.random.Generator:
    """The uniform numbers of one column of the file."""
    return np.random.default_rng([spec.seed, 0, column])


def _auc(labels: NDArray[np.uint8], scores: NDArray[np.float64]) -> float:
    """The AUC from the positives' mean ranks; nan for labels of one class.

    ``pipeline.metrics`` has the documented one, but stands above this layer.
    """
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(count) - (count - 1) / 2
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    wins = ranks[group[labels == 1]].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def _write(
    path: Path, spec: GeneratorSpec, model: ClickModel, generated: Generated, block_rows: int
) -> None:
    """Writes the log and its sidecar aside, then puts both in place."""
    sidecar = _sidecar(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path) as partial, _aside(sidecar) as partial_sidecar:
        _write_rows(partial, spec, model, generated.labels, block_rows)
        made = {
            "generated": path.name,
            "digest": _digest(spec),
            "spec": spec.model_dump(mode="json", exclude_none=True),
            "sha256": SourceFile(str(partial)).digest(),
            "auc": generated.auc,
        }
        told = (json.dumps(made, indent=1) + "\n").encode()
        if path.exists() and sidecar.exists() and sidecar.read_bytes() == told:
            # Another run has made the same log meanwhile, and may be reading it.
            return
        partial_sidecar.write_bytes(told)
        # In this order, so that a kill in between leaves no log, never one with another's sidecar.
        path.unlink(missing_ok=True)
        partial_sidecar.rename(sidecar)
        partial.rename(path)


def _write_rows(
    path: Path, spec: GeneratorSpec, model: ClickModel, labels: NDArray[np.uint8], block_rows: int
) -> None:
    names = ["label", *(field.name for field in model.columns)]
    streams = [_stream(spec, 1 + index) for index in range(len(model.columns))]
    # With quotes Arrow would write a missing categorical as "" and a missing integer as nothing.
    options = pa.csv.WriteOptions(
        include_header=spec.planted is not None,
        delimiter="," if spec.planted else "\t",
        quoting_style="none",
    )
    writer: pa.csv.CSVWriter | None = None
    with path.open("wb") as file, progress("generating", spec.rows, "rows") as advance:
        for start in range(0, spec.rows, block_rows):
            block = pa.array(labels[start : start + block_rows])
            columns = [
                field.column(stream.random(len(block)))
                for field, stream in zip(model.columns, streams, strict=True)
            ]
            table = pa.table([block, *columns], names=names)
            writer = writer or pa.csv.CSVWriter(file, table.schema, write_options=options)
            writer.write_table(table)
            advance(len(block))


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path to write to before ``path``; what is left at it in the end is removed.

    No other run has the same: two may make a log at the same time.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".generated.json")


def _read_sidecar(path: Path) -> dict[str, str] | None:
    """What the file at ``path`` was generated from; None where there is no file.

    Raises:
        InputError: when the file there is not one that ``_write`` left.
    """
    if not path.exists():
        return None
    try:
        made: dict[str, str] = json.loads(_sidecar(path).read_text())
        if made["sha256"] == SourceFile(str(path)).digest() and made["digest"]:
            return made
        what = f"has changed since it was generated ({_sidecar(path).name} has another SHA-256)"
    except FileNotFoundError:
        what = f"was not generated ({_sidecar(path).name} is missing)"
    except (ValueError, KeyError, TypeError):
        what = f"cannot be told from a file of yours ({_sidecar(path).name} cannot be read)"
    raise InputError(
        f"{path}: {what} and is left alone; remove data.generator to use it as it is, "
        "or set data.source to another path"
    )


def _digest(spec: GeneratorSpec) -> str:
    values = {"version": GENERATOR_VERSION, **spec.model_dump(mode="json", exclude_none=True)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
