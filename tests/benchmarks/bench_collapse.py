"""The spectrum of large embedding matrices by Gram matrix, beside a singular value decomposition.

    make bench-collapse                       100 million rows, then 2 million beside svdvals
    make bench-collapse LARGE_ROWS=10000000   fewer

The large matrix is drawn block by block, as the shards of a table would come, and never held; the
time without drawing is what measuring takes. Times are CPU seconds: on several cores give
OMP_NUM_THREADS=1 for those of one.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline.diagnostics.collapse import FieldCollapse, analyse_field
from pipeline.diagnostics.field_gram import FieldGram, field_gram
from pipeline.diagnostics.spectrum import information_abundance

COLUMNS = 64
FITTING_ROWS = 2_000_000
BLOCK_ROWS = 1 << 20
ROUNDS = 3

Found = TypeVar("Found")


def main() -> None:
    """Prints both comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--large-rows", type=int, default=100_000_000)
    large_rows = parser.parse_args().large_rows
    # First, for the peak that is read after it.
    drawn, measured, found = _measure_streamed(large_rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{large_rows:,} x {COLUMNS} streamed: {measured:.1f} CPU seconds, "
        f"{large_rows * COLUMNS * 4 / measured / 1e9:.2f} GB/s (drawing took {drawn:.1f} s more), "
        f"information abundance {found.together.information_abundance:.3f}, "
        f"{found.abundance_over_random:.4f} of random; peak of this process {peak:,.0f} MiB"
    )
    _compare_with_svd()


def _compare_with_svd() -> None:
    matrix = torch.randn(FITTING_ROWS, COLUMNS)
    plain_seconds, ours = _timed(lambda: analyse_field(field_gram("a", [matrix], None)))
    counts = torch.ones(FITTING_ROWS)
    both_seconds, _ = _timed(lambda: analyse_field(field_gram("a", [matrix], counts)))
    svd_seconds, values = _timed(lambda: torch.linalg.svdvals(matrix.double()))
    difference = abs(information_abundance(values) - ours.together.information_abundance)
    print(
        f"{FITTING_ROWS:,} x {COLUMNS}: plain {plain_seconds:.2f} s, with the weighted Gram matrix "
        f"{both_seconds:.2f} s; svdvals {svd_seconds:.2f} CPU seconds, "
        f"{svd_seconds / plain_seconds:.1f} and {svd_seconds / both_seconds:.1f} times as long; "
        f"information abundance differs by {difference:.1e}"
    )


def _timed(measure: Callable[[], Found]) -> tuple[float, Found]:
    """The least CPU seconds of ``ROUNDS``, which other work disturbs less, and what was found."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        found = measure()
        seconds.append(time.process_time() - started)
    return min(seconds), found


def _measure_streamed(rows: int) -> tuple[float, float, FieldCollapse]:
    """CPU seconds of drawing, of measuring, and what was found."""
    generator = torch.Generator().manual_seed(0)
    total: FieldGram | None = None
    drawing = measuring = 0.0
    for start in range(0, rows, BLOCK_ROWS):
        began = time.process_time()
        block = torch.randn(min(BLOCK_ROWS, rows - start), COLUMNS, generator=generator)
        drawn = time.process_time()
        part = field_gram("a", [block], None)
        total = part if total is None else total + part
        drawing += drawn - began
        measuring += time.process_time() - drawn
    assert total is not None
    began = time.process_time()
    found = analyse_field(total)
    return drawing, measuring + time.process_time() - began, found


if __name__ == "__main__":
    main()
