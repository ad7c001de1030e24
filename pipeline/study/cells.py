"""The cells of a study: which runs there are, what each is called and what it overrides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.spec import Spec
from pipeline.spec_file import load_spec
from pipeline.spec_study import Embedding, StudySpec, VariantSpec, shapes_data


@dataclass(frozen=True, order=True)
class Row:
    """A row of the table; ``variant`` is empty for the grid itself."""

    base: str
    interaction: str
    variant: str
    embedding: Embedding

    @property
    def name(self) -> str:
        """Its cells' names begin with it: ``dcnv2-shared-multi``."""
        return "-".join(part for part in (self.interaction, self.variant, self.embedding) if part)


@dataclass(frozen=True)
class Cell:
    """A run: a row at a factor with a seed.

    Attributes:
        directory: the run directory.
        dataset: the prepared dataset, which many cells share.
        spec_file: the base spec.
        overrides: ``key=value`` that make the base spec this cell's.
    """

    row: Row
    factor: int
    seed: int
    directory: Path
    dataset: Path
    spec_file: Path
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """``criteo/dcnv2-multi-4x-seed0``: of its log, its run directory and its row of results."""
        return f"{self.row.base}/{self.directory.name}"

    def load(self) -> Spec:
        """The cell's resolved spec.

        Raises:
            InputError: the base spec or an override is wrong.
        """
        return load_spec(self.spec_file, self.overrides)


def rows_of(study: StudySpec) -> tuple[Row, ...]:
    """The rows in the table's order: the grid's, each with its variants below it."""
    return tuple(
        Row(base, interaction, variant.name if variant else "", embedding)
        for base in study.bases
        for interaction in study.grid.interactions
        for variant in (None, *study.variants)
        for embedding in study.grid.embeddings
        if variant is None or _holds(variant, interaction, embedding)
    )


def cells_of(study: StudySpec) -> tuple[Cell, ...]:
    """The runs, those of one seed after those of the seed before: early figures cover the grid.

    Factors of the first seed only come last, for they are the largest.
    """
    seeds, late = study.grid.seeds, study.grid.first_seed_only
    cells = [
        _cell(study, row, factor, seed)
        for seed in seeds
        for row in rows_of(study)
        for factor in _factors(study, row)
        if cell_row(study, row, factor) == row and (seed == seeds[0] or factor not in late)
    ]
    return tuple(sorted(cells, key=lambda cell: cell.factor in late))


def cell_row(study: StudySpec, row: Row, factor: int) -> Row:
    """The row whose cell is this one's too: multi-embedding at factor 1 is the single one.

    It is not where their settings differ, as those of the paper's IPNN do.
    """
    single = Row(row.base, row.interaction, row.variant, "single")
    shares = (
        factor == 1
        and row.embedding == "multi"
        and single in rows_of(study)
        and _model_overrides(study, row, factor) == _model_overrides(study, single, factor)
    )
    return single if shares else row


def has_own_data(study: StudySpec, row: Row) -> bool:
    """Whether the row is of a variant that changes the dataset: others' AUCs do not compare."""
    variant = _variant(study, row)
    return variant is not None and any(map(shapes_data, variant.overrides))


def _factors(study: StudySpec, row: Row) -> tuple[int, ...]:
    variant = _variant(study, row)
    given = variant.factors if variant else ()
    return tuple(k for k in study.grid.factors if not given or k in given)


def _variant(study: StudySpec, row: Row) -> VariantSpec | None:
    return next((variant for variant in study.variants if variant.name == row.variant), None)


def _holds(variant: VariantSpec, interaction: str, embedding: Embedding) -> bool:
    return (not variant.interactions or interaction in variant.interactions) and (
        not variant.embeddings or embedding in variant.embeddings
    )


def _cell(study: StudySpec, row: Row, factor: int, seed: int) -> Cell:
    folder = Path(study.directory) / row.base
    directory = folder / f"{row.name}-{factor}x-seed{seed}"
    dataset = folder / (f"dataset-{row.variant}" if has_own_data(study, row) else "dataset")
    overrides = (
        *study.overrides,
        *_model_overrides(study, row, factor),
        f"run.seed={seed}",
        f"run.directory={directory}",
        f"data.directory={dataset}",
    )
    spec_file = Path(study.bases[row.base])
    return Cell(row, factor, seed, directory, dataset, spec_file, overrides)


def _model_overrides(study: StudySpec, row: Row, factor: int) -> tuple[str, ...]:
    """What makes the model the row's, at this factor."""
    size, own = study.embedding_dim, list[str]()
    for settings in study.settings:
        if settings.interaction == row.interaction and settings.embedding in (
            "both",
            row.embedding,
        ):
            size = settings.embedding_dim or size
            own += settings.overrides
    variant = _variant(study, row)
    sets, dimensions = (factor, size) if row.embedding == "multi" else (1, factor * size)
    return (
        f"model.interaction={row.interaction}",
        f"model.sets={sets}",
        f"model.embedding_dim={dimensions}",
        *own,
        *(variant.overrides if variant else ()),
    )


def datasets_of(cells: Sequence[Cell]) -> Iterator[Cell]:
    """One cell for each prepared dataset that the cells read."""
    yield from {cell.dataset: cell for cell in reversed(cells)}.values()
