"""The data section of the spec: the raw log, its fields and its splits."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.spec_section import GivenPath, Lax, PathText, Section


class FieldSpec(Section):
    """One field of the log. Every kind ends as ids into a vocabulary.

    Attributes:
        name: the field's name in the dataset, the model and the report.
        kind: ``categorical`` takes the value as its token; ``numeric`` bins it first;
            ``multi_valued`` holds several tokens: a list column, or split at ``separator``.
        column: the source's column, the field's name unless given.
        binning: for ``numeric``. ``log_square`` is the paper's Criteo preparation: v > 2 becomes
            floor(ln(v)^2), at least 1, and smaller values v - 2. ``quantile`` learns ``bins``
            intervals of equal mass.
        bins: the number of quantile intervals.
        separator: between the tokens of a multi-valued field.
        max_length: tokens kept of a multi-valued field; the first ones.
        pooling: how a multi-valued field's embeddings become one.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    kind: Literal["categorical", "numeric", "multi_valued"] = "categorical"
    column: str = ""
    binning: Literal["log_square", "quantile"] = "log_square"
    bins: PositiveInt = 100
    separator: str = "|"
    max_length: PositiveInt = 16
    pooling: Literal["sum", "mean"] = "mean"

    @property
    def source_column(self) -> str:
        """The column of the source that this field is read from."""
        return self.column or self.name


class SplitFiles(Section):
    """Splits that come as files, relative to ``data.source``; kept as they are."""

    train: str
    valid: str
    test: str


class GeneratorSpec(Section):
    """Writes ``data.source`` in Criteo's format (pipeline/data/generator/)."""

    rows: PositiveInt = 200_000
    seed: NonNegativeInt = 0


class DataSpec(Section):
    """The raw log and the dataset directory made from it.

    Attributes:
        format: ``criteo`` knows its fields; ``csv`` (with a header), ``parquet`` take ``fields``.
        source: a file, or a directory when ``splits`` names the files in it.
        directory: the prepared dataset, ``<run.directory>/dataset`` unless given.
        label: the column that holds 0 or 1.
        bad_rows: ``fail`` at the first row that cannot be read, or ``skip`` and count them.
        fields: in the model's order.
        splits: the files of given splits; without it rows are split at random.
        generator: makes the source when it is missing.
    """

    format: Literal["criteo", "csv", "parquet"]
    source: GivenPath
    directory: PathText = ""
    label: str = "label"
    bad_rows: Literal["fail", "skip"] = "fail"
    fields: Annotated[tuple[FieldSpec, ...], Lax] = ()
    splits: SplitFiles | None = None
    generator: GeneratorSpec | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if self.format == "criteo" and self.fields:
            raise ValueError("format 'criteo' has fields of its own: remove data.fields")
        if self.format != "criteo" and not self.fields:
            raise ValueError(f"format {self.format!r} needs data.fields, one table a field")
        names = [field.name for field in self.fields]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"data.fields names {', '.join(repeated)} more than once")
        return self
