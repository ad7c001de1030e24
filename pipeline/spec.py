"""The experiment spec: every setting, typed and validated, and the only place with defaults.

Paths may hold ``${NAME:-default}``, filled from the environment, and are relative to the working
directory. ``spec_data.py`` and ``spec_model.py`` beside it are its largest sections;
``spec_file.py`` reads a spec from TOML.
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
from pipeline.spec_model import ModelSpec
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
        scheduler: the Dask scheduler's address, such as ``tcp://host:8786``, or the path of its
            scheduler file, which ends in ``.json``.
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
