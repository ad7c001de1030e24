"""How a step is made of gradients: learning rates by schedule, accumulation, clipping."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torchrec.optim.keyed import CombinedOptimizer, KeyedOptimizer, OptimizerWrapper

from pipeline.spec import Spec
from pipeline.training.schedules import learning_rates


class ScheduledStep(OptimizerWrapper):
    """What a train pipeline steps at every batch: both optimizers of a model.

    Sharded tables step in the backward pass, at the rate that ``zero_grad`` hands to FBGEMM before
    it. All else steps when the number of batches since the start of the training is a multiple of
    ``train.accumulate``, and at the end of an epoch, by the mean gradient of the batches since the
    step before, clipped to ``train.clip_norm``. So a checkpoint at such a moment needs no gradient.

    Gradients are means over ranks already, by DistributedDataParallel, so every rank finds the
    same norm without asking the others.

    Args:
        embedding: the tables' optimizer, the part that is fused included.
        dense: that of all other parameters.
        fused: the fused part of ``embedding``.
        waiting: the parameters that do not step in the backward pass.
        spec: schedules, accumulation, clipping.

    Attributes:
        gradient_norm: of the gradient of ``dense``, as one vector, that made the last step, before
            clipping; None before the first.
    """

    def __init__(
        self,
        embedding: KeyedOptimizer,
        dense: KeyedOptimizer,
        fused: KeyedOptimizer,
        waiting: Sequence[torch.Tensor],
        spec: Spec,
    ) -> None:
        super().__init__(CombinedOptimizer([("embedding", embedding), ("dense", dense)]))
        self._embedding, self._dense, self._fused = embedding, dense, fused
        self._waiting, self._spec = waiting, spec
        self._steps, self._held = 0, 0
        self.gradient_norm: torch.Tensor | None = None

    def begin(self, steps: int) -> None:
        """Prepares the step that comes after so many."""
        self._steps = steps
        rates = learning_rates(self._spec, steps)
        for optimizer, rate in ((self._embedding, rates.embedding), (self._dense, rates.dense)):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Before a batch: hands the rate to the sharded tables, and keeps gradients that wait."""
        if self._held:
            self._fused.zero_grad()
        else:
            super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> None:
        """After a batch: takes its gradient, and makes the step that is due."""
        self._held += 1
        if (self._steps + 1) % self._spec.train.accumulate == 0:
            self._finish()

    def end_epoch(self, steps: int) -> None:
        """Makes a step of the gradients that wait, if any do, as the last of so many."""
        # The pipeline found its batches at their end only after the next step had begun.
        self.begin(steps - 1)
        self._finish()

    def _finish(self) -> None:
        if not self._held:
            return
        if self._held > 1:
            torch._foreach_div_(_gradients(self._waiting), self._held)
        self.gradient_norm = norm(_gradients(self._dense.params.values()))
        if self._spec.train.clip_norm:
            torch.nn.utils.clip_grad_norm_(self._waiting, self._spec.train.clip_norm)
        super().step()
        self._held = 0


def norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Of all tensors as one vector, (); it waits for no device."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))


def _gradients(weights: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    return [weight.grad for weight in weights if weight.grad is not None]
