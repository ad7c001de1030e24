"""The engine's step against a bare loop over the same model on the same batches, in one run.

    make bench-engine                     30 pairs of 20 steps

The model is DCNv2 with two embedding sets of 10 on the 39 fields of generated Criteo data. The
engine is what ``python -m pipeline.train`` does from one log point to the next: pipeline,
schedules, losses, log points in journal and TensorBoard, progress. The bare loop does zero_grad,
forward, backward and step. Each has a model of its own in the same process; they take turns on the
same ready batches, so that other work meets both. The overhead is the median over pairs.
"""

import argparse
import statistics
import tempfile
import time
from itertools import chain, count, islice
from pathlib import Path

from pipeline.data.batch import Batch
from pipeline.data.generator.generate import generate
from pipeline.data.manifest import Manifest
from pipeline.data.preparation.build import build
from pipeline.data.preparation.unchanged import unchanged
from pipeline.distributed.runtime import Runtime, start_runtime
from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training, training_loader
from pipeline.training.trainer import Trainer

GOAL = 0.05
WARM_UP = 3


def main() -> None:
    """Prepares the data, measures in pairs and prints the overhead."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20, help="of each half of a pair")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-engine"))
    arguments = parser.parse_args()
    spec = _spec(arguments.folder, arguments.rows)
    assert spec.data.generator is not None
    generate(Path(spec.data.locations[0]), spec.data.generator)
    manifest = unchanged(spec) or build(spec, {})
    with start_runtime(spec.train.device) as runtime:
        engine, bare = _measure(spec, manifest, runtime, arguments.pairs, arguments.steps)
    pairs = zip(engine[WARM_UP:], bare[WARM_UP:], strict=True)
    overhead = statistics.median(one / other for one, other in pairs) - 1
    steps = arguments.steps
    print(f"{manifest.splits['train'].rows:,} rows, {len(engine) - WARM_UP} pairs of {steps} steps")
    print(f"engine     {statistics.median(engine[WARM_UP:]) / steps * 1e3:8.2f} ms a step")
    print(f"bare loop  {statistics.median(bare[WARM_UP:]) / steps * 1e3:8.2f} ms a step")
    verdict = "met" if overhead < GOAL else "missed"
    print(f"overhead   {overhead:8.1%}, goal: below {GOAL:.0%}, {verdict}")


def _spec(folder: Path, rows: int) -> Spec:
    values = {
        "run": {"directory": str(folder)},
        "data": {
            "format": "criteo",
            "source": str(folder / f"log-{rows}.txt"),
            "directory": str(folder / f"dataset-{rows}"),
            "generator": {"rows": rows},
        },
        "prepare": {"minimum_count": 10, "ratios": [98, 1, 1]},
        "model": {"interaction": "dcnv2", "sets": 2, "embedding_dim": 10},
        "embedding_optimizer": {"name": "adagrad", "learning_rate": 0.01},
        "train": {"epochs": 1000},
    }
    return Spec.model_validate(values)


def _measure(
    spec: Spec, manifest: Manifest, runtime: Runtime, pairs: int, steps: int
) -> tuple[list[float], list[float]]:
    """Seconds of each half of every pair: the engine's and the bare loop's."""
    loader = training_loader(spec, manifest, runtime)
    batches = chain.from_iterable(map(loader.epoch, count()))
    first, second = (build_training(spec, manifest, runtime) for _ in range(2))
    engine, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(spec, manifest, runtime, first, RunDirectory(Path(folder)))
        first.model.module.train()
        for pair in range(WARM_UP + pairs):
            ready = list(islice(batches, steps))
            halves = [
                (engine, lambda ready=ready: trainer._train_steps(iter(ready), lambda: None)),
                (bare, lambda ready=ready: _bare_loop(second, ready)),
            ]
            # The second half finds the batches in the caches: each is first in turn.
            for seconds, run in halves if pair % 2 else reversed(halves):
                started = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - started)
    return engine, bare


def _bare_loop(training: Training, batches: list[Batch]) -> None:
    module, optimizer = training.model.module, training.optimizers.combined
    for batch in batches:
        optimizer.zero_grad()
        loss, _ = module(batch)
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
