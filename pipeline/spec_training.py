"""The spec's sections on optimizers, the training loop and evaluation."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.spec_section import PathText, Section


class ScheduleSpec(Section):
    """A learning rate over the steps of a training: it warms up, then decays.

    A step is one batch, also under ``train.accumulate``. The rate is a function of the number of
    the step alone, so a resumed training goes on where it stood.

    Attributes:
        warmup_steps: over which the rate rises evenly to ``learning_rate``.
        decay: after warm-up. ``linear`` and ``cosine`` fall to ``decay_factor`` times
            ``learning_rate`` within ``decay_steps`` and stay there; ``step`` multiplies by
            ``decay_factor`` after every ``decay_steps``.
        decay_steps: of ``decay``, none of ``constant``.
        decay_factor: of ``decay``.
    """

    warmup_steps: NonNegativeInt = 0
    decay: Literal["constant", "linear", "cosine", "step"] = "constant"
    decay_steps: NonNegativeInt = 0
    decay_factor: Annotated[float, Field(ge=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _check_decay(self) -> Self:
        if (self.decay == "constant") != (self.decay_steps == 0):
            raise ValueError("decay_steps and a decay other than 'constant' need each other")
        return self


class EmbeddingOptimizerSpec(Section):
    """The optimizer of the embedding tables.

    On sharded tables it is fused into the backward pass and moves only the rows of the batch, each
    once, by the sum of the gradients of its occurrences. ``adam``, ``partial_rowwise_adam`` and
    ``lamb`` are fused on CUDA alone. On ``data_parallel`` tables ``sgd``, ``adagrad`` and ``adam``
    are torch's: ``adam`` moves every row at every step, as in the paper. Betas are 0.9 and 0.999.

    A row is as wide as it is stored, padding included: 10 columns stored as 12 make the row-wise
    optimizers' mean of squares 12/10 times smaller and their steps 1.095 times larger. Under
    ``column_wise`` sharding it is as wide as the part that a rank holds.

    Attributes:
        name: see above.
        learning_rate: at the peak of ``schedule``.
        weight_decay: of ``data_parallel`` tables, L2: w * weight_decay is added to the gradient of
            every row. Of sharded tables, where FBGEMM has it, of the rows of the batch alone:
            L2 for ``rowwise_adagrad``, decoupled (w shrinks by learning_rate * weight_decay) for
            ``adam`` and ``partial_rowwise_adam``, a part of the normalised step for ``lamb``.
        eps: added to the root of the second moment: step = learning_rate * m / (sqrt(v) + eps).
        clip_value: limit on each element of the gradient by the embeddings that the model sees, of
            sharded tables alone, before it is added up by row; 0 for none.
        schedule: of the learning rate.
    """

    name: Literal["sgd", "adagrad", "rowwise_adagrad", "adam", "partial_rowwise_adam", "lamb"] = (
        "adam"
    )
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-8
    clip_value: NonNegativeFloat = 0.0
    schedule: ScheduleSpec = ScheduleSpec()


class DenseOptimizerSpec(Section):
    """The optimizer of everything but the embedding tables: torch's, fused.

    ``weight_decay`` is L2 in the gradient for ``adam`` and ``sgd``, and decoupled for ``adamw``.
    ``schedule`` is of its learning rate. Betas are 0.9 and 0.999, eps is 1e-8; ``sgd`` has no
    momentum.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    schedule: ScheduleSpec = ScheduleSpec()


class TrainSpec(Section):
    """The training loop.

    Attributes:
        batch_size: rows of one global batch, over all ranks.
        epochs: at the most.
        validate_every: steps between validations; 0 validates at the ends of epochs.
        monitor: the validation's metric, of the main task, that tells the best model; ``loss`` is
            what training minimises, of all tasks.
        patience: validations without a better ``monitor`` before training stops.
        accumulate: steps, of a batch each, whose mean gradient the optimizers take as one. Sharded
            tables do not wait: they are updated in the backward pass of every batch. An epoch's
            first and last gradients may be of fewer, since steps are counted over epochs.
        clip_norm: the gradient of everything but sharded tables, as one vector over all its
            parameters, is scaled down to this norm; 0 for none.
        precision: ``fp32``, or ``bf16`` autocast of the dense part.
        device: ``auto`` takes CUDA where there is one.
        pipeline: ``overlapped`` fetches the next batches and exchanges their ids while a step
            computes, ``plain`` does one after the other; the losses are the same.
        compile: compiles the dense part with torch.compile, which takes a minute at the start.
        deterministic: the same weights from the same seed on CUDA too, with slower kernels.
        max_loss: a step with a larger loss, penalties included, stops the training, as one does
            that is not finite.
        checkpoint_every: steps between checkpoints; 0 keeps those at validations and the ends of
            epochs only.
        keep_checkpoints: the last ones that stay, beside the best.
        warm_start: the directory of another run, whose best model's embeddings this one starts
            from; empty starts from random ones.
        log_every: steps between log lines, TensorBoard points and progress updates.
        profile_steps: steps of a profiler trace, taken after the first 5; 0 takes none.
        timeout_minutes: how long a rank waits for the others before it fails.
        window_rows: rows that are shuffled together in memory.
    """

    batch_size: PositiveInt = 2048
    epochs: PositiveInt = 20
    validate_every: NonNegativeInt = 0
    monitor: Literal["auc", "gauc", "logloss", "normalized_entropy", "calibration", "loss"] = "auc"
    patience: PositiveInt = 3
    accumulate: PositiveInt = 1
    clip_norm: NonNegativeFloat = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    pipeline: Literal["overlapped", "plain"] = "overlapped"
    compile: bool = False
    deterministic: bool = False
    max_loss: PositiveFloat = 100.0
    checkpoint_every: NonNegativeInt = 0
    keep_checkpoints: PositiveInt = 2
    warm_start: PathText = ""
    log_every: PositiveInt = 20
    profile_steps: NonNegativeInt = 0
    timeout_minutes: PositiveFloat = 30.0
    window_rows: PositiveInt = 2_000_000

    @model_validator(mode="after")
    def _check_accumulate(self) -> Self:
        for name, steps in (
            ("checkpoint_every", self.checkpoint_every),
            ("validate_every", self.validate_every),
        ):
            if steps % self.accumulate:
                raise ValueError(
                    f"{name} = {steps} is no multiple of accumulate = {self.accumulate}: "
                    "a checkpoint holds no half-gathered gradient"
                )
        return self


class EvaluateSpec(Section):
    """Metrics over whole splits: in validation, and of the best checkpoint.

    Attributes:
        batch_size: rows of one global batch, over all ranks.
        group_field: GAUC, the AUC inside the groups of this field's values, is measured too; one
            of the model's fields of one value a row, such as the user. Empty for none.
        auc_cells: distinct scores that a rank keeps of a task; AUC is exact up to them, and beyond
            them within about 2 / auc_cells. 24 bytes each, about 140 while they are merged.
    """

    batch_size: PositiveInt = 8192
    group_field: str = ""
    auc_cells: Annotated[int, Field(ge=1024)] = 2**23

    @property
    def measures(self) -> dict[str, Any]:
        """The settings that figures depend on."""
        return self.model_dump(exclude={"batch_size"})
