"""The spec's sections on optimizers, the training loop and evaluation."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.spec_section import Section


class EmbeddingOptimizerSpec(Section):
    """The optimizer of the embedding tables.

    ``adagrad``, ``rowwise_adagrad`` and ``sgd`` are fused into the backward pass on sharded tables
    and touch only the rows of the batch. ``adam`` on ``data_parallel`` tables is dense: every row
    moves at every step, as in the paper. Fused ``adam`` needs CUDA. ``weight_decay`` is L2 in the
    gradient, of ``data_parallel`` tables only. ``rowwise_adagrad`` averages a row's squares over
    the columns as stored, padding included: 10 stored as 12 makes steps of 1.095 times the size.
    """

    name: Literal["sgd", "adagrad", "rowwise_adagrad", "adam"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-8


class DenseOptimizerSpec(Section):
    """The optimizer of everything but the embedding tables."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


class TrainSpec(Section):
    """The training loop.

    Attributes:
        batch_size: rows of one global batch, over all ranks.
        epochs: at the most.
        patience: epochs without a better validation AUC before training stops.
        precision: ``fp32``, or ``bf16`` autocast of the dense part.
        device: ``auto`` takes CUDA where there is one.
        checkpoint_every: steps between checkpoints; 0 keeps those at the ends of epochs only.
        log_every: steps between log lines, TensorBoard points and progress updates.
        window_rows: rows that are shuffled together in memory.
    """

    batch_size: PositiveInt = 2048
    epochs: PositiveInt = 20
    patience: PositiveInt = 3
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_every: NonNegativeInt = 0
    log_every: PositiveInt = 20
    window_rows: PositiveInt = 2_000_000


class EvaluateSpec(Section):
    """The evaluation of the best checkpoint."""

    batch_size: PositiveInt = 8192
