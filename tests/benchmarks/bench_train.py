"""Samples/s of a training step for every interaction, beside the least time that it could take.

    make bench-train                                         every interaction at M = 1, 4 and 10
    make bench-train ONLY="dcnv2 ipnn" SETS=4                some of them

A step is the look-up, forward, backward and both optimizers, on ready batches of 2048 rows of
Criteo's 39 fields with 1.09 million ids: row-sparse Adagrad on the tables, Adam on the dense part.
Each model has a process of its own, with all cores. The floor is the time of the step's matrix
products at the rate that this machine was measured at in the same process, plus that of the bytes
which embeddings and dense optimizer must move. ``single`` is one set of M times the columns, which
has the size of M sets. ``pairwise`` is the same model as public code writes it: set by set with a
tensor of all pairs, and Adam that moves every row (``pairwise_training.py``); it has no floor here.
bf16 is left out where the machine multiplies it slower than float32.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pairwise_training import PAIRWISE, PairwiseTraining
from torch.utils.flop_counter import FlopCounterMode
from torchrec.distributed.train_pipeline import TrainPipelineSparseDist
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.batch import Batch
from pipeline.data.manifest import Field
from pipeline.distributed.runtime import start_runtime
from pipeline.distributed.sharding import shard_model
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.registry import BUILT_IN
from pipeline.spec import Spec
from pipeline.training.optimizers import build_optimizers

# Criteo's cardinalities after the paper's preparation.
CARDINALITIES = [
    *(49, 101, 126, 45, 223, 118, 84, 76, 95, 9, 30, 40, 75),
    *(1458, 555, 193949, 138801, 306, 19, 11970, 634, 4, 42646, 5178, 192773, 3175, 27),
    *(11422, 181075, 11, 4654, 2032, 5, 189657, 18, 16, 59697, 86, 45571),
]
FIELDS = [Field(f"f{place}", "categorical", rows) for place, rows in enumerate(CARDINALITIES)]
ROWS = 2048
WARM_UP, STEPS = 3, 7


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    interaction: str
    sets: int
    embedding_dim: int
    precision: str
    note: str = ""


def main() -> None:
    """Runs every case in a process of its own, and prints a table."""
    parser = argparse.ArgumentParser()
    names = list(BUILT_IN["interaction"])
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--sets", nargs="*", type=int, default=[1, 4, 10])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        case = Case(**json.loads(arguments.case))
        print(json.dumps(_measure_pairwise(case) if case.note == "pairwise" else _measure(case)))
        return
    _show_heading()
    precisions = ["fp32", "bf16"] if _rate("bf16") > _rate("fp32") else ["fp32"]
    for interaction in arguments.only:
        for precision in precisions:
            for case in _cases(interaction, arguments.sets, precision):
                _show(case, _in_process(case))
    if len(precisions) == 1:
        print(f"no bf16: {_rate('bf16') / 1e9:.0f} GFLOP/s, float32 {_rate('fp32') / 1e9:.0f}")


def _cases(interaction: str, sets: list[int], precision: str) -> Iterator[Case]:
    # The paper's size for each.
    size = 50 if interaction == "nfwfm" else 10
    for count in sets:
        yield Case(interaction, count, size, precision)
        if count > 1:
            yield Case(interaction, 1, count * size, precision, "single")
        if count == 4 and interaction in PAIRWISE:
            yield Case(interaction, count, size, precision, "pairwise")


def _in_process(case: Case) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", json.dumps(vars(case))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def _show_heading() -> None:
    print(f"batch {ROWS}, {len(FIELDS)} fields, {sum(CARDINALITIES):,} ids, ", end="")
    print(f"{torch.get_num_threads()} threads")
    heading = f"{'interaction':<18}{'sets x K':>9}{'':>10}{'':>6}{'samples/s':>11}{'step ms':>9}"
    print(f"{heading}{'floor ms':>10}{'of floor':>10}{'dense M':>9}{'peak MiB':>10}", flush=True)


def _show(case: Case, values: dict[str, float]) -> None:
    size = f"{case.sets} x {case.embedding_dim}"
    step, floor = values["seconds"] * 1e3, values["floor"] * 1e3
    print(
        f"{case.interaction:<18}{size:>9}{case.note:>10}{case.precision:>6}"
        f"{ROWS / values['seconds']:>11,.0f}{step:>9.0f}{floor:>10.1f}{floor / step:>10.0%}"
        f"{values['dense'] / 1e6:>9.2f}{values['peak']:>10,.0f}",
        flush=True,
    )


def _measure(case: Case) -> dict[str, float]:
    spec = Spec.model_validate(
        {
            "run": {"directory": "unused"},
            "data": {"format": "criteo", "source": "unused"},
            "model": {
                "interaction": case.interaction,
                "sets": case.sets,
                "embedding_dim": case.embedding_dim,
            },
            "embedding_optimizer": {"name": "adagrad", "learning_rate": 0.01},
            # The planner's row-wise sharding is of no use to one process.
            "sharding": {"type": "table_wise"},
            "train": {"precision": case.precision, "device": "cpu", "batch_size": ROWS},
        }
    )
    # Before and after, since other work may slow down either.
    rate, bandwidth = _rate(case.precision), _bandwidth()
    with start_runtime("cpu") as runtime:
        torch.manual_seed(0)
        model = MultiEmbedding(FIELDS, spec.model, spec.train.precision, torch.device("meta"))
        parameters = model.count_parameters()
        sharded = shard_model(ClickTask(model, spec.model), spec, runtime, None)
        optimizers = build_optimizers(sharded.module, spec)
        pipeline = TrainPipelineSparseDist(sharded.module, optimizers.combined, runtime.device)
        batches = _batches()
        seconds = [_timed(lambda: pipeline.progress(batches)) for _ in range(WARM_UP + STEPS)]
        with FlopCounterMode(display=False) as counter:
            pipeline.progress(batches)
        columns = sum(table.columns for table in sharded.tables)
    # Rows read, pooled, their gradients read, weights and Adagrad's sums read and written.
    embedding_bytes = 7 * 4 * ROWS * columns
    # Adam reads weight, gradient and two moments, and writes all but the gradient.
    dense_bytes = 7 * 4 * parameters.dense
    rate = max(rate, _rate(case.precision))
    products = counter.get_total_flops() / rate
    moved = (embedding_bytes + dense_bytes) / max(bandwidth, _bandwidth())
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "floor": products + moved,
        "dense": parameters.dense,
        "peak": _peak_mib(),
    }


def _measure_pairwise(case: Case) -> dict[str, float]:
    torch.manual_seed(0)
    training = PairwiseTraining(case.interaction, CARDINALITIES, case.sets, case.embedding_dim)
    batches = _batches()
    seconds = []
    for _ in range(WARM_UP + STEPS):
        batch = next(batches)
        ids = batch.features.values().view(len(FIELDS), ROWS).T.contiguous()
        with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bf16"):
            seconds.append(_timed(lambda ids=ids, batch=batch: training.step(ids, batch.labels[0])))
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "floor": math.nan,
        "dense": training.dense,
        "peak": _peak_mib(),
    }


def _peak_mib() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def _batches() -> Iterator[Batch]:
    """Four batches in turn, with ids as skewed as those of clicks."""
    rng = np.random.default_rng(0)
    ready = []
    for _ in range(4):
        ids = [np.minimum(rng.zipf(1.2, ROWS) - 1, rows - 1) for rows in CARDINALITIES]
        features = KeyedJaggedTensor.from_lengths_sync(
            keys=[field.name for field in FIELDS],
            values=torch.from_numpy(np.concatenate(ids)),
            lengths=torch.ones(ROWS * len(FIELDS), dtype=torch.int64),
        )
        ready.append(Batch(features, (torch.rand(1, ROWS) < 0.3).float(), torch.ones(ROWS)))
    while True:
        yield from ready


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rate(precision: str) -> float:
    """FLOP/s of the products of four sets of Criteo's width, the best of some."""
    kind = torch.float32 if precision == "fp32" else torch.bfloat16
    # Slow bf16 would take seconds at the size that float32 needs to show its rate.
    rows = ROWS if precision == "fp32" else ROWS // 16
    inputs, weights = torch.randn(4, rows, 400, dtype=kind), torch.randn(4, 400, 400, dtype=kind)
    torch.bmm(inputs, weights)
    best = min(_timed(lambda: torch.bmm(inputs, weights)) for _ in range(8))
    return 2 * 4 * rows * 400 * 400 / best


def _bandwidth() -> float:
    """Bytes/s read and written by a copy that no cache holds, the best of some."""
    source = torch.ones(1 << 26)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / min(_timed(lambda: target.copy_(source)) for _ in range(5))


if __name__ == "__main__":
    main()
