"""Compares the loader alone with training, in one run on the 39 fields of generated Criteo data.

    make bench-loader                     500,000 rows
    make bench-loader ROWS=100000

The model is DCNv2 with four embedding sets of 10, in the paper's setting. The loader reads, checks
and decodes every part in its first epoch; later epochs of a split that fits in one window only
shuffle and gather. Its goal is ten times the samples/s of training, in the slower of the two.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.console import progress
from pipeline.data.batch import Batch
from pipeline.data.generator.generate import generate
from pipeline.data.manifest import Manifest
from pipeline.data.preparation.build import build
from pipeline.data.preparation.unchanged import unchanged
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.setup import build_training, training_loader

GOAL = 10


def main() -> None:
    """Prepares the data, measures both and prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--batches", type=int, default=20, help="trained, after two to warm up")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-loader"))
    arguments = parser.parse_args()
    values = {
        "run": {"directory": str(arguments.folder)},
        "data": {
            "format": "criteo",
            "source": str(arguments.folder / f"log-{arguments.rows}.txt"),
            "directory": str(arguments.folder / f"dataset-{arguments.rows}"),
            "generator": {"rows": arguments.rows},
        },
        "prepare": {"minimum_count": 10, "ratios": [98, 1, 1]},
        "model": {"interaction": "dcnv2", "sets": 4, "embedding_dim": 10},
    }
    spec = Spec.model_validate(values)
    assert spec.data.generator is not None
    generate(Path(spec.data.locations[0]), spec.data.generator)
    manifest = unchanged(spec) or build(spec, {})
    with start_runtime(spec.train.device) as runtime:
        loader = training_loader(spec, manifest, runtime)
        first = _samples_per_second(loader.epoch(0))
        later = statistics.median(_samples_per_second(loader.epoch(epoch)) for epoch in (1, 2, 3))
        training = build_training(spec, manifest, runtime)
        trained = _trained(training.pipeline, loader.epoch(4), arguments.batches)
    _show(manifest, first, later, trained)


def _samples_per_second(batches: Iterator[Batch]) -> float:
    started, rows = time.perf_counter(), 0
    for batch in batches:
        rows += len(batch.weights)
    return rows / (time.perf_counter() - started)


def _trained(pipeline, batches: Iterator[Batch], count: int) -> float:
    """Samples/s of ``count`` steps, loader included."""
    batch = next(batches)
    rows = len(batch.weights)
    for _ in range(2):
        pipeline.progress(batches)
    started = time.perf_counter()
    with progress("train", count, "batches") as advance:
        for _ in range(count):
            pipeline.progress(batches)
            advance(1)
    return count * rows / (time.perf_counter() - started)


def _show(manifest: Manifest, first: float, later: float, trained: float) -> None:
    ids = sum(field.cardinality for field in manifest.fields)
    print(f"{manifest.splits['train'].rows:,} rows, {len(manifest.fields)} fields, {ids:,} ids")
    print(f"{'':<28}{'samples/s':>12}{'x training':>12}")
    for name, speed in (
        ("loader, first epoch", first),
        ("loader, later epochs", later),
        ("training, DCNv2 M = 4", trained),
    ):
        print(f"{name:<28}{speed:>12,.0f}{speed / trained:>12.1f}")
    slower = min(first, later) / trained
    print(f"goal: {GOAL} x training, {'met' if slower >= GOAL else 'missed'} ({slower:.1f} x)")


if __name__ == "__main__":
    main()
