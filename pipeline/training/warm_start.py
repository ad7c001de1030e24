"""Starts a training from the embeddings of another run, token by token."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from pipeline.console import InputError
from pipeline.data.fields.known_rows import known_rows
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.data.whole_directories import restore
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.model.tables import Table, layout_tables, table_groups
from pipeline.spec import Spec
from pipeline.spec_file import load_spec
from pipeline.training.checkpoints.loading import checked_record
from pipeline.training.checkpoints.record import CheckpointRecord
from pipeline.training.checkpoints.rows import read_rows
from pipeline.training.run_directory import RunDirectory, identity_of


@dataclass(frozen=True)
class _Origin:
    """The run that is started from, with its best model and the tables of that."""

    path: Path
    dataset: Path
    manifest: Manifest
    best: Path
    record: CheckpointRecord
    tables: tuple[Table, ...]

    def table(self, wanted: Table, place: int) -> Table:
        """The table that holds the set of the field that ``wanted`` has at a place.

        Raises:
            InputError: there is none, or the set has another size.
        """
        embedding_set = wanted.first_set + place
        for table in self.tables:
            if _reader(table) == _reader(wanted):
                inside = 0 <= embedding_set - table.first_set < table.sets
                if inside and table.embedding_dim == wanted.embedding_dim:
                    return table
        if wanted.of_gates:
            raise InputError(
                f"train.warm_start: {self.path} has no embeddings of {wanted.embedding_dim} "
                f"numbers of its gates' own for field {wanted.field.name!r}; give both runs the "
                "same model.gate"
            )
        raise InputError(
            f"train.warm_start: {self.path} has no embedding set {embedding_set + 1} of "
            f"{wanted.embedding_dim} numbers in group {wanted.group + 1}; give both runs the same "
            "model.groups, or model.sets and model.embedding_dim"
        )


def _reader(table: Table) -> tuple[str, int | None]:
    """The field, and the group of experts that reads the table; None for the gates."""
    return table.field.name, None if table.of_gates else table.group


def warm_start(
    module: nn.Module, tables: tuple[Table, ...], spec: Spec, manifest: Manifest, runtime: Runtime
) -> dict[str, int]:
    """Fills the rows that the best model of ``train.warm_start`` knows, by token. Collective.

    Tokens that are new keep their own starting values, and so do fields that are new. Only the
    embeddings are taken: the dense part and both optimizers' moments begin anew. Storage, sharding
    and the number of processes may differ; the embedding sets must be the same.

    Args:
        module: the sharded model, at its starting values.
        tables: its tables.
        spec: of the training that begins.
        manifest: of its dataset.
        runtime: this rank's place.

    Returns:
        The rows that were found, by field.

    Raises:
        InputError: there is no such run, its best model is damaged, its dataset is another by now,
            or its sets are others.
    """
    origin = _open(Path(spec.train.warm_start), spec, runtime)
    there = {field.name: field for field in origin.manifest.fields}
    state, found = module.state_dict(), {}
    for field in manifest.fields:
        if field.name not in there:
            found[field.name] = 0
            continue
        rows = known_rows(field, spec.dataset_directory, there[field.name], origin.dataset)
        found[field.name] = int(np.count_nonzero(rows >= 0))
        for table in tables:
            if table.field.name == field.name:
                _fill(state[TABLE_KEY.format(table.name)], table, rows, origin)
    return found


def _open(path: Path, spec: Spec, runtime: Runtime) -> _Origin:
    directory = RunDirectory(path)
    if not directory.spec_file.is_file():
        raise InputError(
            f"train.warm_start: {path} holds no run ({directory.spec_file.name} is missing); name "
            "the run.directory of a training"
        )
    if runtime.is_main:
        restore(directory.best)
    dist.barrier()
    other = load_spec(directory.spec_file)
    manifest = read_manifest(other.dataset_directory)
    record = checked_record(directory.best, runtime)
    trained_on, found = record.identity["dataset"], identity_of(other, manifest)["dataset"]
    if trained_on != found:
        # Its vocabularies would name other tokens' rows.
        raise InputError(
            f"train.warm_start: {path} was trained on the dataset {trained_on}, and "
            f"{other.dataset_directory} holds {found} now; put that dataset back, or name another "
            "run"
        )
    groups = table_groups(len(manifest.fields) + len(manifest.dense), other.model)
    return _Origin(
        path,
        other.dataset_directory,
        manifest,
        directory.best,
        record,
        layout_tables(manifest.fields, groups, other.model.tables),
    )


@torch.no_grad()
def _fill(weight: torch.Tensor, table: Table, rows: np.ndarray, origin: _Origin) -> None:
    """Writes the known rows of every set of a table into this rank's parts of it.

    Args:
        weight: the table, plain or sharded.
        table: what it is.
        rows: the other run's row of each row; -1 where it has none.
        origin: the other run.
    """
    for part, own_rows, own_columns in local_parts(weight):
        wanted = rows[own_rows]
        known = np.flatnonzero(wanted >= 0)
        values = _saved_rows(table, wanted[known], origin)[:, own_columns]
        part[torch.from_numpy(known).to(part.device)] = values.to(part.device)


def _saved_rows(table: Table, rows: np.ndarray, origin: _Origin) -> torch.Tensor:
    """(rows, columns as stored) what the other run has for some of its rows, in this storage."""
    values = torch.zeros(len(rows), table.physical_columns)
    saved: dict[str, torch.Tensor] = {}
    size = table.embedding_dim
    for place in range(table.sets):
        source = origin.table(table, place)
        if source.name not in saved:
            saved[source.name] = read_rows(origin.best, origin.record, source.name, rows)
        there = (table.first_set + place - source.first_set) * size
        columns = slice(place * size, (place + 1) * size)
        values[:, columns] = saved[source.name][:, there : there + size]
    return values
