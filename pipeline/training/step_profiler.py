"""A profiler trace of a few steps, on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from torch.profiler import profile, schedule, tensorboard_trace_handler

# Steps that are left to settle before a trace: kernels are chosen, caches filled.
SETTLING_STEPS = 5


class CountStep(Protocol):
    """Tells a profiler that a step is done."""

    def __call__(self) -> None:
        """Called after each."""


@contextmanager
def profiled(steps: int, directory: Path, rank: int) -> Iterator[CountStep]:
    """Traces ``steps`` steps after the first five; 0 traces none.

    The trace, ``rank<N>.<time>.pt.trace.json.gz`` in ``directory``, opens in Perfetto
    (ui.perfetto.dev), in chrome://tracing and in TensorBoard's profiler plugin.
    """
    if steps == 0:
        yield _nothing
        return
    with profile(
        schedule=schedule(wait=SETTLING_STEPS - 1, warmup=1, active=steps, repeat=1),
        on_trace_ready=tensorboard_trace_handler(str(directory), f"rank{rank}", use_gzip=True),
        record_shapes=True,
    ) as profiler:
        yield profiler.step


def _nothing() -> None:
    """Where no trace is taken."""
