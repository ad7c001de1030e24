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
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from criteo_step import (
    CARDINALITIES,
    FIELDS,
    bandwidth,
    matrix_rate,
    measure_step,
    ready_batches,
    step_spec,
    timed,
)
from pairwise_training import PAIRWISE, PairwiseTraining

from pipeline.distributed.runtime import start_runtime
from pipeline.registry import BUILT_IN

ROWS = 2048
CPU = torch.device("cpu")
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
    # Without instructions for it, bf16 would take seconds at the size of a step.
    slow = matrix_rate("bf16", CPU, ROWS // 16) < matrix_rate("fp32", CPU, ROWS // 16)
    precisions = ["fp32"] if slow else ["fp32", "bf16"]
    for interaction in arguments.only:
        for precision in precisions:
            for case in _cases(interaction, arguments.sets, precision):
                _show(case, _in_process(case))
    if slow:
        print("no bf16: its matrix products are slower than float32's")


def _cases(interaction: str, sets: list[int], precision: str) -> Iterator[Case]:
    # The paper's size for each.
    size = 50 if interaction == "nfwfm" else 10
    for count in sets:
        yield Case(interaction, count, size, precision)
        if count > 1:
            yield Case(interaction, 1, count * size, precision, "single")
        if count == 4 and interaction in PAIRWISE:
            yield Case(interaction, count, size, precision, "pairwise")


def _in_process(case: Case) -> dict[str, float] | None:
    """None where the system killed it: FFM's ten sets take some 40 GB."""
    command = [sys.executable, __file__, "--case", json.dumps(vars(case))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == -signal.SIGKILL:
        return None
    done.check_returncode()
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def _show_heading() -> None:
    print(f"batch {ROWS}, {len(FIELDS)} fields, {sum(CARDINALITIES):,} ids, ", end="")
    print(f"{torch.get_num_threads()} threads")
    heading = f"{'interaction':<18}{'sets x K':>9}{'':>10}{'':>6}{'samples/s':>11}{'step ms':>9}"
    print(f"{heading}{'floor ms':>10}{'of floor':>10}{'dense M':>9}{'peak MiB':>10}", flush=True)


def _show(case: Case, values: dict[str, float] | None) -> None:
    size = f"{case.sets} x {case.embedding_dim}"
    name = f"{case.interaction:<18}{size:>9}{case.note:>10}{case.precision:>6}"
    if values is None:
        print(f"{name}  killed: more memory than there is", flush=True)
        return
    step, floor = values["seconds"] * 1e3, values["floor"] * 1e3
    print(
        f"{name}{ROWS / values['seconds']:>11,.0f}{step:>9.0f}{floor:>10.1f}{floor / step:>10.0%}"
        f"{values['dense'] / 1e6:>9.2f}{values['peak']:>10,.0f}",
        flush=True,
    )


def _measure(case: Case) -> dict[str, float]:
    spec = step_spec(case.interaction, case.sets, case.embedding_dim, case.precision, "cpu", ROWS)
    # Before and after, since other work may slow down either.
    rate, speed = matrix_rate(case.precision, CPU, ROWS), bandwidth(CPU)
    with start_runtime("cpu") as runtime:
        found = measure_step(spec, runtime, WARM_UP, STEPS)
    rate = max(rate, matrix_rate(case.precision, CPU, ROWS))
    speed = max(speed, bandwidth(CPU))
    return {
        "seconds": found.seconds,
        "floor": found.flops / rate + found.bytes_moved / speed,
        "dense": found.dense,
        "peak": _peak_mib(),
    }


def _measure_pairwise(case: Case) -> dict[str, float]:
    torch.manual_seed(0)
    training = PairwiseTraining(case.interaction, CARDINALITIES, case.sets, case.embedding_dim)
    batches = ready_batches(ROWS, CPU)
    seconds = []
    for _ in range(WARM_UP + STEPS):
        batch = next(batches)
        ids = batch.features.values().view(len(FIELDS), ROWS).T.contiguous()
        with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bf16"):
            seconds.append(timed(partial(training.step, ids, batch.labels[0]), CPU))
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "floor": math.nan,
        "dense": training.dense,
        "peak": _peak_mib(),
    }


def _peak_mib() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    main()
