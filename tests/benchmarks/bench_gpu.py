"""Samples/s of DCNv2's training step on one GPU, and its shares of the roofline.

    make gpu-check                        after the GPU's tests

M = 4 and 10 sets of 10 on Criteo's 39 fields with 1.09 million ids, 16,384 to 131,072 rows a batch:
row-sparse Adagrad on the tables, Adam on the dense part, batches from pinned memory. ``matrix`` is
the share of the step that its matrix products would take at the rate that this GPU multiplies the
model's shapes at, ``memory`` that of the bytes which embeddings and the dense optimizer must move,
at the rate of a large copy; both rates are measured in the same run. Without a GPU it says so.
"""

import argparse
import gc

import torch
from criteo_step import bandwidth, matrix_rate, measure_step, step_spec

from pipeline.distributed.runtime import Runtime, start_runtime

SETS, EMBEDDING_DIM = (4, 10), 10
ROWS = tuple(2**power for power in range(14, 18))
WARM_UP, STEPS = 5, 20


def main() -> None:
    """Measures every case and prints one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="*", type=int, default=ROWS)
    parser.add_argument("--sets", nargs="*", type=int, default=SETS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("bench_gpu: torch finds no CUDA device, so nothing is measured")
        return
    with start_runtime("cuda") as runtime:
        speed = bandwidth(runtime.device)
        print(f"{runtime.reason}, torch {torch.__version__}, copies {speed / 1e9:,.0f} GB/s")
        print(
            f"{'sets':>4} {'rows':>8} {'':<5}{'samples/s':>12}{'step ms':>9}{'GFLOP':>9}"
            f"{'TFLOP/s':>9}{'matrix':>8}{'memory':>8}{'peak GiB':>10}"
        )
        for precision in ("fp32", "bf16"):
            for sets in arguments.sets:
                for rows in arguments.rows:
                    _show(sets, rows, precision, runtime, speed)


def _show(sets: int, rows: int, precision: str, runtime: Runtime, speed: float) -> None:
    """One line of the table."""
    begin = f"{sets:>4} {rows:>8,} {precision:<5}"
    rate = matrix_rate(precision, runtime.device, rows)
    torch.cuda.reset_peak_memory_stats()
    spec = step_spec("dcnv2", sets, EMBEDDING_DIM, precision, "cuda", rows)
    try:
        found = measure_step(spec, runtime, WARM_UP, STEPS)
    except torch.OutOfMemoryError:
        print(f"{begin}{'out of memory':>12}", flush=True)
    else:
        print(
            f"{begin}{rows / found.seconds:>12,.0f}{found.seconds * 1e3:>9.2f}"
            f"{found.flops / 1e9:>9,.0f}{found.flops / found.seconds / 1e12:>9.1f}"
            f"{found.flops / rate / found.seconds:>8.0%}"
            f"{found.bytes_moved / speed / found.seconds:>8.0%}"
            f"{torch.cuda.max_memory_allocated() / 2**30:>10.1f}",
            flush=True,
        )
    # A model and its hooks refer to each other.
    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
