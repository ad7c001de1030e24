"""The task that trains the model."""

from typing import NamedTuple

import torch
from torch import nn

from pipeline.data.batch import Batch
from pipeline.model.dense_part import Output
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec_model import ModelSpec


class Prediction(NamedTuple):
    """A rank's outcome of one batch, without gradient.

    Attributes:
        loss: (), of all tasks; without the penalty.
        penalty: (), what else is minimised.
        logits: (T, B).
        labels: (T, B).
        weights: (B,).
        gate: (T, S, B), the experts' weights; None for the mean head.
    """

    loss: torch.Tensor
    penalty: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    gate: torch.Tensor | None


class ClickTask(nn.Module):
    """The model with its loss, in the form that TorchRec's train pipelines run."""

    def __init__(self, model: MultiEmbedding, spec: ModelSpec) -> None:
        super().__init__()
        self.model = model
        self.loss = TaskLoss([task.weight for task in spec.resolved_tasks])

    def forward(self, batch: Batch) -> tuple[torch.Tensor, Prediction]:
        """A batch -> what is minimised, and what was predicted."""
        output = self.model(batch.features, batch.dense)
        return self.loss(output, batch)


class TaskLoss(nn.Module):
    """sum_t w_t mean_b v_b BCE(logit_tb, label_tb), with task weights w and row weights v.

    A module of its own, so that TorchRec's train pipeline, which traces what contains a sharded
    module, leaves it alone.
    """

    task_weights: torch.Tensor

    def __init__(self, task_weights: list[float]) -> None:
        super().__init__()
        weights = torch.tensor(task_weights)[:, None]
        self.register_buffer("task_weights", weights, persistent=False)

    def forward(self, output: Output, batch: Batch) -> tuple[torch.Tensor, Prediction]:
        """The model's output (T, B) -> loss plus penalty, (), and the prediction."""
        logits, penalty, gate = output
        row_losses = nn.functional.binary_cross_entropy_with_logits(
            logits, batch.labels, weight=self.task_weights * batch.weights, reduction="sum"
        )
        loss = row_losses / batch.labels.shape[1]
        return loss + penalty, Prediction(
            loss.detach(), penalty.detach(), logits.detach(), batch.labels, batch.weights, gate
        )
