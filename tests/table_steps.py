"""Steps of embedding optimizers on gradients that are known, beside their formulas in float64."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.manifest import Manifest, read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.model.tables import Table
from pipeline.spec import Spec
from pipeline.training.setup import Training, build_training

BAGS = 16
# Few enough that most of a batch's ids come several times.
IDS = 6
BETA1, BETA2 = 0.9, 0.999


@dataclass
class Step:
    """What a formula sees of one step on one table, all float64.

    Attributes:
        weight: (rows, columns as stored), to be changed in place.
        gradient: the same, summed over all that a row occurs.
        seen: (rows,) whether the row occurs.
        number: of the step, from 1.
        rate, eps, decay: of the spec.
        moments: zeros at the first step, (2, rows, columns), for the formula to keep.
    """

    weight: np.ndarray
    gradient: np.ndarray
    seen: np.ndarray
    number: int
    rate: float
    eps: float
    decay: float
    moments: np.ndarray = field(repr=False)


Formula = Callable[[Step], None]


def check_steps(
    spec: Spec, device: str, formula: Formula, steps: int, rates: list[float] | None = None
) -> None:
    """Steps the spec's optimizer and the formula, and compares every table, padding included.

    Args:
        spec: of sum or mean pooled tables.
        device: ``cpu`` or ``cuda``.
        formula: steps a table.
        steps: how many.
        rates: by step, where they are not the spec's learning rate.
    """
    manifest, rng = read_manifest(spec.dataset_directory), np.random.default_rng(0)
    optimizer = spec.embedding_optimizer
    with start_runtime("cuda" if device == "cuda" else "cpu") as runtime:
        training = build_training(spec, manifest, runtime)
        tables = training.model.tables
        expected = {table.name: weight_of(training, table).astype(np.float64) for table in tables}
        moments = {name: np.zeros((2, *weight.shape)) for name, weight in expected.items()}
        for number in range(steps):
            bags = draw_bags(manifest, rng)
            slopes = rng.normal(size=(sets_of(tables), BAGS, len(manifest.fields), columns(tables)))
            step_model(training, manifest, bags, slopes, number, runtime.device)
            if optimizer.clip_value:
                slopes = slopes.clip(-optimizer.clip_value, optimizer.clip_value)
            for table in tables:
                gradient, seen = summed(table, manifest, bags, slopes)
                rate = rates[number] if rates else optimizer.learning_rate
                formula(
                    Step(
                        expected[table.name],
                        gradient,
                        seen,
                        number + 1,
                        rate,
                        optimizer.eps,
                        optimizer.weight_decay,
                        moments[table.name],
                    )
                )
        for table in tables:
            found = weight_of(training, table)
            np.testing.assert_allclose(found, expected[table.name], rtol=2e-5, atol=5e-6)
            assert found.shape[1] > table.columns, "no padding column is tested"


def draw_bags(manifest: Manifest, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Ids by field and row: one each, or 0 to 4 of a multi-valued field."""
    return [
        [
            rng.integers(
                0, min(IDS, f.cardinality), rng.integers(0, 5) if f.kind == "multi_valued" else 1
            )
            for _ in range(BAGS)
        ]
        for f in manifest.fields
    ]


def step_model(
    training: Training,
    manifest: Manifest,
    bags: list[list[np.ndarray]],
    slopes: np.ndarray,
    number: int,
    device: torch.device,
) -> None:
    """One step whose gradient by the embeddings is ``slopes``, (M, B, F, C)."""
    flat = [ids for of_field in bags for ids in of_field]
    features = KeyedJaggedTensor.from_lengths_sync(
        keys=[f.name for f in manifest.fields],
        values=torch.from_numpy(np.concatenate(flat)),
        lengths=torch.tensor([len(ids) for ids in flat], dtype=torch.int32),
    ).to(device)
    optimizer = training.optimizers.combined
    optimizer.begin(number)
    optimizer.zero_grad()
    (embeddings,) = training.model.module.module.model.embedding_sets(features)
    (embeddings * torch.from_numpy(slopes).float().to(device)).sum().backward()
    optimizer.step()


def summed(
    table: Table, manifest: Manifest, bags: list[list[np.ndarray]], slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A table's gradient and which rows occur."""
    gradient = np.zeros((table.rows, table.physical_columns))
    seen = np.zeros(table.rows, dtype=bool)
    place = [f.name for f in manifest.fields].index(table.field.name)
    sets = slice(table.first_set, table.first_set + table.sets)
    for bag, ids in enumerate(bags[place]):
        slope = slopes[sets, bag, place].reshape(-1)
        share = len(ids) if table.field.pooling == "mean" else 1
        for row in ids:
            gradient[row, : table.columns] += slope / share
            seen[row] = True
    return gradient, seen


def weight_of(training: Training, table: Table) -> np.ndarray:
    """A copy of the whole table, padding columns included; one process holds it all."""
    state = training.model.module.state_dict()
    ((weight, _, _),) = local_parts(state[TABLE_KEY.format(table.name)])
    return weight.detach().cpu().numpy().copy()


def sets_of(tables: tuple[Table, ...]) -> int:
    """M."""
    return max(table.first_set + table.sets for table in tables)


def columns(tables: tuple[Table, ...]) -> int:
    """C."""
    return tables[0].embedding_dim
