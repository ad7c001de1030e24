"""A study's spec: many runs of the same experiment, and what they are compared with.

``python -m pipeline.study`` reads ``StudySpec``, ``python -m pipeline.study.toy_experiment`` reads
``ToySpec``; both through ``pipeline.spec_file.load_section``. Paths and variables are as in an
experiment's spec.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from pipeline.spec_model import InteractionName
from pipeline.spec_section import LOCAL, GivenPath, Lax, PathText, Section

Embedding = Literal["single", "multi"]
# A part of a directory's name.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
Override = Annotated[str, StringConstraints(pattern=r"^[\w.]+=")]
# What a cell sets itself.
CELLS_OWN = ("run.directory", "run.seed", "data.directory", "model.interaction")
# What a cell sets from the study's size and factor, unless its settings or variant say otherwise.
CELLS_SIZE = ("model.sets", "model.embedding_dim")


class GridSpec(Section):
    """Every combination of these is a cell.

    Attributes:
        interactions: names, as in ``model.interaction``.
        embeddings: ``single`` at factor k is one set of k K dimensions, ``multi`` is k sets of K;
            at factor 1 the two are one cell, unless ``settings`` differ.
        factors: k, the size of the embeddings over that of the base.
        seeds: of initialisation, shuffling and dropout.
        first_seed_only: factors, the largest say, that the first seed alone runs.
    """

    interactions: Annotated[tuple[InteractionName, ...], Field(strict=False, min_length=1)]
    embeddings: Annotated[tuple[Embedding, ...], Field(strict=False, min_length=1)] = (
        "single",
        "multi",
    )
    factors: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)]
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(strict=False, min_length=1)] = (0, 1, 2)
    first_seed_only: Annotated[tuple[PositiveInt, ...], Lax] = ()

    @model_validator(mode="after")
    def _check_repeats(self) -> Self:
        for name in ("interactions", "embeddings", "factors", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"grid.{name} names a value more than once")
        if unknown := sorted(set(self.first_seed_only) - set(self.factors)):
            raise ValueError(f"grid.first_seed_only names {unknown[0]}, which is none of factors")
        return self


class CellSettings(Section):
    """What differs in the cells of an interaction, or of one kind of embedding of it.

    Attributes:
        interaction: whose cells.
        embedding: the kind, or ``both``.
        embedding_dim: K; 0 leaves the study's.
        overrides: ``key=value`` on the base spec.
    """

    interaction: InteractionName
    embedding: Literal["single", "multi", "both"] = "both"
    embedding_dim: NonNegativeInt = 0
    overrides: Annotated[tuple[Override, ...], Lax] = ()

    @model_validator(mode="after")
    def _check_overrides(self) -> Self:
        if any(shapes_data(override) for override in self.overrides):
            raise ValueError("settings cannot change the data: declare a variant")
        return self


class VariantSpec(Section):
    """The grid once more, or a part of it, with other settings: an ablation.

    Attributes:
        name: a part of its cells' names.
        overrides: ``key=value`` on the base spec. With those of ``data`` and ``prepare`` the
            variant has a prepared dataset of its own.
        interactions, embeddings, factors: the part of the grid; all of it unless given.
    """

    name: Name
    overrides: Annotated[tuple[Override, ...], Field(strict=False, min_length=1)]
    interactions: Annotated[tuple[InteractionName, ...], Lax] = ()
    embeddings: Annotated[tuple[Embedding, ...], Lax] = ()
    factors: Annotated[tuple[PositiveInt, ...], Lax] = ()


class PublishedSpec(Section):
    """What a paper gives for a row of the table.

    Attributes:
        base: a name of ``bases``.
        interaction, variant, embedding: the row; ``variant`` is empty for the grid itself.
        factors: the row's columns.
        auc: of the test split, one for each of ``factors``, or none.
        deviation: of AUC over seeds, as many, or none where they are not given.
        information_abundance: the mean over fields, as many, or none.
    """

    base: Name
    interaction: str
    variant: str = ""
    embedding: Embedding
    factors: Annotated[tuple[PositiveInt, ...], Lax]
    auc: Annotated[tuple[PositiveFloat, ...], Lax] = ()
    deviation: Annotated[tuple[NonNegativeFloat, ...], Lax] = ()
    information_abundance: Annotated[tuple[PositiveFloat, ...], Lax] = ()

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        given = len(self.factors)
        for name in ("auc", "deviation", "information_abundance"):
            if len(getattr(self, name)) not in (0, given):
                raise ValueError(f"{given} factors need as many values of {name}, or none")
        if not self.auc and not self.information_abundance:
            raise ValueError("auc or information_abundance is needed: what is published")
        return self


class LaunchSpec(Section):
    """How the cells run.

    Attributes:
        scheduler: TorchX's, ``local_cwd``, ``slurm`` and so on.
        cfg: its options, K=V,...
        processes: nodes x processes a node of each training, such as 1x8; that of .torchxconfig
            unless given.
        cells_at_once: cells that run at the same time.
        gpus: on one machine, the ``CUDA_VISIBLE_DEVICES`` of each of the cells that run at the
            same time; none leaves it alone.
    """

    scheduler: str = "local_cwd"
    cfg: str = ""
    processes: str = ""
    cells_at_once: PositiveInt = 1
    gpus: Annotated[tuple[str, ...], Lax] = ()

    @model_validator(mode="after")
    def _check_gpus(self) -> Self:
        if self.gpus and len(self.gpus) != self.cells_at_once:
            raise ValueError(
                f"launch.gpus has {len(self.gpus)} entries, one for each of "
                f"launch.cells_at_once = {self.cells_at_once} is needed"
            )
        return self


class StudySpec(Section):
    """A study.

    Attributes:
        title: of its page.
        directory: holds a directory for each of ``bases``, with the prepared dataset and a run
            directory a cell, and ``results/<the study file's name>``. Studies of one directory
            share the cells that they have in common.
        bases: experiment specs by a short name; one table each.
        embedding_dim: K, the embedding size at factor 1.
        overrides: ``key=value`` on the base spec, for all cells.
        settings, variants, published: see there.
        source: where the published figures stand.
    """

    title: str
    directory: Annotated[GivenPath, LOCAL]
    bases: Annotated[dict[Name, PathText], Field(min_length=1)]
    embedding_dim: PositiveInt = 10
    overrides: Annotated[tuple[Override, ...], Lax] = ()
    grid: GridSpec
    settings: Annotated[tuple[CellSettings, ...], Lax] = ()
    variants: Annotated[tuple[VariantSpec, ...], Lax] = ()
    source: str = ""
    published: Annotated[tuple[PublishedSpec, ...], Lax] = ()
    launch: LaunchSpec = LaunchSpec()

    @model_validator(mode="after")
    def _check_overrides(self) -> Self:
        for override in self.overrides:
            if (key := override.partition("=")[0]) in CELLS_SIZE:
                raise ValueError(
                    f"an override sets {key}, which cells have of embedding_dim and grid.factors"
                )
        parts: list[CellSettings | VariantSpec] = [*self.settings, *self.variants]
        for override in [*self.overrides, *(text for part in parts for text in part.overrides)]:
            if (key := override.partition("=")[0]) in CELLS_OWN:
                raise ValueError(f"an override sets {key}, which each cell sets itself")
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError("two variants have the same name")
        for row in self.published:
            if row.base not in self.bases or row.variant not in ("", *names):
                raise ValueError(
                    f"published: {row.base!r} {row.variant!r} is no base or no variant of the study"
                )
        return self


class ToySpec(Section):
    """The toy experiment of the paper's Section 4.1 and Appendix G; its settings are the defaults.

    Attributes:
        picture: the PNG file to write; a JSON file of the same name has the numbers.
        rows_1, rows_2: D_1 and D_2, the rows of the trained table and of one that is fixed.
        low, high: D_3, the rows of the other fixed table, in the two cases.
        embedding_dim: K.
        learning_rate, steps: of full-batch gradient descent.
        record_every: steps between two measurements.
        seeds: the two cases of a seed start from the same E_1 and E_2.
    """

    picture: Annotated[GivenPath, LOCAL]
    rows_1: PositiveInt = 100
    rows_2: PositiveInt = 100
    low: PositiveInt = 3
    high: PositiveInt = 100
    embedding_dim: PositiveInt = 10
    learning_rate: PositiveFloat = 1.0
    steps: PositiveInt = 5000
    record_every: PositiveInt = 50
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(strict=False, min_length=2)] = tuple(
        range(10)
    )

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds names a value more than once")
        return self

    @model_validator(mode="after")
    def _check_record(self) -> Self:
        if self.steps % self.record_every:
            raise ValueError(
                f"steps = {self.steps} must be a multiple of record_every = {self.record_every}, "
                "so that the last step is measured"
            )
        return self


def shapes_data(override: str) -> bool:
    """Whether an override changes what the prepared dataset holds.

    >>> shapes_data("prepare.minimum_count=2"), shapes_data("train.epochs=1")
    (True, False)
    """
    return override.startswith(("data.", "prepare."))
