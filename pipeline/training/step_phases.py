"""Where the time of a step goes: data, input distribution, forward, backward, optimizer."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torchrec.optim.keyed import KeyedOptimizer, OptimizerWrapper

from pipeline.data.batch import Batch

PHASES = ("data", "input_distribution", "forward", "backward", "optimizer")
# From here on a phase is worth a word.
LARGE_SHARE = 0.2


class StepPhases:
    """Adds up the time of each phase, from marks that say what the time before them went into.

    On CUDA the marks are events of the device's own clock, so nothing waits for them until they
    are read. All are of the stream that computes, also where another is current: the overlapped
    pipeline asks for its next batch in the one that copies it. What ranks exchange of embeddings
    and gradients is inside forward and backward.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
        self._stream = torch.cuda.current_stream(device) if self._on_cuda else None
        self._marks: list[tuple[str, Any]] = []
        self.totals = dict.fromkeys(PHASES, 0.0)

    def begin(self) -> None:
        """A step begins; the time before it is nobody's."""
        self.mark("")

    def mark(self, phase: str) -> None:
        """The time since the mark before went into ``phase``."""
        self._marks.append((phase, self._stamp()))

    def watch(self, module: nn.Module) -> None:
        """Marks the module's forward pass, and where its backward pass begins."""
        module.register_forward_pre_hook(self._before_forward)
        module.register_forward_hook(self._after_forward)

    def waiting(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, with the time that each is waited for."""
        while True:
            self.mark("input_distribution")
            batch = next(batches, None)
            self.mark("data")
            if batch is None:
                return
            yield batch

    def means(self) -> dict[str, float]:
        """Milliseconds of each phase, means of the steps since this was last asked."""
        if self._on_cuda:
            torch.cuda.synchronize()
        seconds = dict.fromkeys(PHASES, 0.0)
        for (_, before), (phase, after) in zip(self._marks, self._marks[1:], strict=False):
            if phase:
                seconds[phase] += self._between(before, after)
        for phase, value in seconds.items():
            self.totals[phase] += value
        steps = max(sum(phase == "optimizer" for phase, _ in self._marks), 1)
        self._marks.clear()
        return {phase: 1e3 * value / steps for phase, value in seconds.items()}

    def _before_forward(self, module: nn.Module, _: Any) -> None:
        if module.training:
            self.mark("input_distribution")

    def _after_forward(self, module: nn.Module, _: Any, output: Any) -> None:
        if module.training:
            self.mark("forward")
            # The overlapped pipeline goes on with the next batch's input before the backward pass.
            output[0].register_hook(lambda _: self.mark("input_distribution"))

    def _stamp(self) -> Any:
        if not self._on_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(self._stream)
        return event

    def _between(self, before: Any, after: Any) -> float:
        if not self._on_cuda:
            return after - before
        return before.elapsed_time(after) / 1e3


class TimedStep(OptimizerWrapper):
    """An optimizer whose step is marked."""

    def __init__(self, optimizer: KeyedOptimizer, phases: StepPhases) -> None:
        super().__init__(optimizer)
        self._phases = phases

    def step(self, closure: Any = None) -> None:
        """As the wrapped optimizer's."""
        self._phases.mark("backward")
        super().step(closure)
        self._phases.mark("optimizer")


def what_limits(totals: Mapping[str, float], processes: int) -> str:
    """What took the time of a run's steps, and what would make it less.

    >>> what_limits({"data": 4.0, "input_distribution": 0.5, "forward": 2.0, "backward": 3.0,
    ...     "optimizer": 0.5}, processes=2)
    'time a step: data 40 %, input distribution 5 %, forward 20 %, backward 30 %, optimizer 5 %. \
Limited by data: put the dataset on a faster disk, or give each process more CPUs'
    """
    whole = sum(totals.values()) or 1.0
    shares = {phase: value / whole for phase, value in totals.items()}
    listed = ", ".join(
        f"{phase.replace('_', ' ')} {share:.0%}".replace("%", " %")
        for phase, share in shares.items()
    )
    if shares["data"] > LARGE_SHARE:
        advice = "data: put the dataset on a faster disk, or give each process more CPUs"
    elif shares["input_distribution"] > LARGE_SHARE and processes > 1:
        advice = (
            "communication: use fewer processes, a larger train.batch_size, or sharding that "
            "exchanges less"
        )
    elif shares["optimizer"] > 2 * LARGE_SHARE:
        advice = (
            "the optimizer, which moves every row of replicated tables, and averages every row "
            "between groups: shard the tables, with adagrad, in larger groups"
        )
    else:
        advice = (
            "computing: a GPU, train.precision = 'bf16' where there are instructions for it, "
            "train.compile = true or more processes"
        )
    return f"time a step: {listed}. Limited by {advice}"
