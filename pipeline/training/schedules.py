"""Learning rates as functions of the step."""

import math
from typing import NamedTuple

from pipeline.spec import Spec
from pipeline.spec_training import ScheduleSpec


class LearningRates(NamedTuple):
    """The rates of a step."""

    embedding: float
    dense: float


def learning_rates(spec: Spec, step: int) -> LearningRates:
    """Both rates after so many steps, which is those of the next."""
    tables, rest = spec.embedding_optimizer, spec.dense_optimizer
    return LearningRates(
        scheduled(tables.learning_rate, tables.schedule, step),
        scheduled(rest.learning_rate, rest.schedule, step),
    )


def scheduled(peak: float, schedule: ScheduleSpec, step: int) -> float:
    """The rate of a step.

    Args:
        peak: the rate at the end of warm-up.
        schedule: its shape.
        step: the number of steps taken before.
    """
    if step < schedule.warmup_steps:
        return peak * (step + 1) / schedule.warmup_steps
    if schedule.decay == "constant":
        return peak
    after, lowest = step - schedule.warmup_steps, schedule.decay_factor
    if schedule.decay == "step":
        return peak * lowest ** (after // schedule.decay_steps)
    done = min(after / schedule.decay_steps, 1.0)
    left = 1 - done if schedule.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
    return peak * (lowest + (1 - lowest) * left)
