"""Where a training stands."""

from dataclasses import dataclass

from pipeline.training.early_stopping import EarlyStopping


@dataclass
class Progress:
    """Where a training stands. A checkpoint keeps it as JSON.

    Random states are no part of it: every step seeds them anew from the run's seed, the step and
    the rank. Nor are schedules, which are functions of the step.

    Attributes:
        stopping: the early stopping's memory.
        step: optimizer steps taken.
        epoch: the epoch that comes next or goes on.
        batch: the global batch of that epoch that comes next.
        seconds: time spent in training steps.
    """

    stopping: EarlyStopping
    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
