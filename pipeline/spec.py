"""The experiment spec: every setting, typed and validated, and the only place with defaults.

Paths may hold ``${NAME:-default}``, filled from the environment, and are relative to the working
directory. ``spec_data.py``, ``spec_generator.py``, ``spec_model.py``, ``spec_sharding.py`` and
``spec_training.py`` beside it hold its largest sections; ``spec_file.py`` reads a spec from TOML.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.spec_data import DataSpec
from pipeline.spec_model import ModelSpec
from pipeline.spec_section import LOCAL, GivenPath, Lax, Section
from pipeline.spec_sharding import ShardingSpec
from pipeline.spec_training import (
    DenseOptimizerSpec,
    EmbeddingOptimizerSpec,
    EvaluateSpec,
    TrainSpec,
)


class RunSpec(Section):
    """Where a run lives, and the seed of its initialisation, shuffling and dropout."""

    directory: Annotated[GivenPath, LOCAL]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class PrepareSpec(Section):
    """How raw rows become ids.

    Attributes:
        engine: ``local`` works in threads, ``dask`` on a cluster whose workers see the dataset's
            file system. The output depends on neither, nor on ``threads``.
        scheduler: the Dask scheduler's address, such as ``tcp://host:8786``, or the path of its
            scheduler file, which ends in ``.json``.
        threads: of the local engine and of the scan for a split by time; 0 takes every core that
            the system leaves to the process.
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

    @model_validator(mode="after")
    def _check_monitor(self) -> Self:
        if self.train.monitor == "gauc" and not self.evaluate.group_field:
            raise ValueError("train.monitor = 'gauc' needs evaluate.group_field")
        return self

    @model_validator(mode="after")
    def _check_ratios(self) -> Self:
        settled = "data.split" if self.data.split else "data.splits" if self.data.splits else ""
        if settled and self.prepare.ratios != PrepareSpec().ratios:
            raise ValueError(f"prepare.ratios is for a random split: remove it, or {settled}")
        return self

    @property
    def run_directory(self) -> Path:
        """Where this run's outputs go."""
        return Path(self.run.directory)

    @property
    def dataset_directory(self) -> Path:
        """Where the prepared dataset stands."""
        return Path(self.data.directory) if self.data.directory else self.run_directory / "dataset"
