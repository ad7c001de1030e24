"""The experiment spec: every setting, typed and validated, and the only place with defaults.

Paths may hold ``${NAME:-default}``, filled from the environment, and are relative to the working
directory. ``spec_data.py`` beside it is the data section; ``spec_file.py`` reads a spec from TOML.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.spec_data import DataSpec
from pipeline.spec_section import GivenPath, Lax, Section


class RunSpec(Section):
    """Where a run lives, and the seed of its initialisation, shuffling and dropout."""

    directory: GivenPath
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class PrepareSpec(Section):
    """How raw rows become ids.

    Attributes:
        engine: ``local`` works in threads, ``dask`` on a cluster whose workers see the sources'
            and the dataset's file system. The output depends on neither, nor on ``threads``.
        scheduler: the Dask scheduler's address, such as ``tcp://host:8786``.
        threads: of the local engine; 0 takes every core.
        minimum_count: rarer tokens share the out-of-vocabulary id 0.
        vocabulary: learnt on ``all`` rows (the paper's protocol) or on the ``train`` split only
            (what production needs).
        ratios: the random split's shares of train, valid and test.
        seed: of the random split.
        part_rows: rows of one Parquet part, at the most.
    """

    engine: Literal["local", "dask"] = "local"
    scheduler: str = ""
    threads: NonNegativeInt = 0
    minimum_count: PositiveInt = 1
    vocabulary: Literal["all", "train"] = "all"
    ratios: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], Lax] = (0.8, 0.1, 0.1)
    seed: NonNegativeInt = 0
    part_rows: PositiveInt = 262_144

    @model_validator(mode="after")
    def _check_scheduler(self) -> Self:
        if (self.engine == "dask") != bool(self.scheduler):
            raise ValueError("scheduler and engine = 'dask' need each other")
        return self


class GroupSpec(Section):
    """Embedding sets that share an interaction and a size."""

    interaction: Literal["dnn", "dcnv2"]
    sets: PositiveInt
    embedding_dim: PositiveInt


class DCNv2Spec(Section):
    """DCNv2's cross network."""

    layers: PositiveInt = 4


class ModelSpec(Section):
    """The multi-embedding model; single-embedding is ``sets = 1``.

    Attributes:
        interaction, sets, embedding_dim: the short form of one group.
        groups: the long form, for a mixture of interactions or sizes.
        head: ``mean`` over the sets (the paper), or a softmax ``gate`` (mixture of experts).
        tables: ``packed`` keeps the sets of a field side by side in one table, ``separate`` one
            table a set. The same mathematics under element-wise optimizers.
        initialization: ``xavier_total`` is the paper's: Xavier uniform over the rows of all
            fields together; ``xavier_field`` over each field's own; ``uniform`` and ``normal``
            have the scale ``initialization_scale``.
        normalization: of hidden blocks. ``batch`` uses a rank's own statistics, so it depends on
            how a batch is split; ``synchronized_batch`` those of the global batch; ``layer`` and
            ``none`` do not depend on the batch.
        hidden_dim: the width of a projection and of a tower's block.
    """

    interaction: Literal["dnn", "dcnv2"] = "dcnv2"
    sets: PositiveInt = 4
    embedding_dim: PositiveInt = 10
    groups: Annotated[tuple[GroupSpec, ...], Lax] = ()
    head: Literal["mean", "gate"] = "mean"
    tables: Literal["packed", "separate"] = "packed"
    initialization: Literal["xavier_total", "xavier_field", "uniform", "normal"] = "xavier_total"
    initialization_scale: PositiveFloat = 0.01
    normalization: Literal["batch", "synchronized_batch", "layer", "none"] = "batch"
    hidden_dim: PositiveInt = 400
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    dcnv2: DCNv2Spec = DCNv2Spec()

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        short = {"interaction", "sets", "embedding_dim"} & self.model_fields_set
        if self.groups and short:
            raise ValueError(f"groups and {', '.join(sorted(short))} exclude each other")
        return self

    @property
    def resolved_groups(self) -> tuple[GroupSpec, ...]:
        """The groups, from the long form or the short one."""
        short = GroupSpec(
            interaction=self.interaction, sets=self.sets, embedding_dim=self.embedding_dim
        )
        return self.groups or (short,)


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


class ShardingSpec(Section):
    """How tables are spread over ranks: left to TorchRec's planner, or one way for all."""

    type: Literal[
        "auto", "data_parallel", "table_wise", "column_wise", "row_wise", "table_row_wise"
    ] = "auto"


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


class Spec(Section):
    """A whole experiment. See ``pipeline.spec_file.load_spec``."""

    run: RunSpec
    data: DataSpec
    prepare: PrepareSpec = PrepareSpec()
    model: ModelSpec = ModelSpec()
    embedding_optimizer: EmbeddingOptimizerSpec = EmbeddingOptimizerSpec()
    dense_optimizer: DenseOptimizerSpec = DenseOptimizerSpec()
    sharding: ShardingSpec = ShardingSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()

    @property
    def run_directory(self) -> Path:
        """Where this run's outputs go."""
        return Path(self.run.directory)

    @property
    def dataset_directory(self) -> Path:
        """Where the prepared dataset stands."""
        return Path(self.data.directory) if self.data.directory else self.run_directory / "dataset"
