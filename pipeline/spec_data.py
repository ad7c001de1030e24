"""The data section of the spec: the raw log, its fields and its splits."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipeline.spec_generator import GeneratorSpec
from pipeline.spec_section import LOCAL, Lax, PathText, Section, TimeFormat, expand


def _filled(value: Any) -> Any:
    """One location or several, with their variables filled in."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not given or not all(map(_is_text, given)):
        raise ValueError("a path, a URL or a glob is expected, or a list of them")
    filled = tuple(map(expand, given))
    return filled[0] if isinstance(value, str) else filled


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _named(value: Any) -> Any:
    """One column or several."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not given or not all(map(_is_text, given)):
        raise ValueError("a column is expected, or a list of them")
    return value if isinstance(value, str) else tuple(given)


def _listed(named: str | tuple[str, ...]) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else named


def _is_set(section: Section, key: str) -> bool:
    """Whether a key has another value than its default."""
    default: object = type(section).model_fields[key].default
    return bool(getattr(section, key) != default)


# Ids are int32.
LARGEST_ID = 2**31 - 1
Locations = Annotated[str | tuple[str, ...], BeforeValidator(_filled)]
Columns = Annotated[str | tuple[str, ...], BeforeValidator(_named)]


class FieldSpec(Section):
    """One field of the log. Every kind but ``dense`` ends as ids.

    Attributes:
        name: the field's name in the dataset, the model and the report.
        kind: ``categorical`` takes the value as its token; ``numeric`` bins it first;
            ``multi_valued`` holds several tokens: a list column, or split at ``separator``;
            ``dense`` stays a number, scaled to mean 0 and deviation 1 over the train split, and a
            missing one becomes 0.
        column: the source's column, the field's name unless given.
        transform: makes the token of a ``categorical`` field from a time.
        time_format: how that time is written, as Python's ``strptime`` has it.
        encoding: from tokens to ids. ``vocabulary`` learns them; ``hash`` spreads the tokens over
            ``hash_rows`` rows; ``file`` takes the tokens of ``vocabulary_file`` (Parquet or text)
            in their order; ``identity`` takes values from 0 to ``cardinality`` - 1 as they are.
        minimum_count: of a learnt vocabulary, in place of ``prepare.minimum_count``.
        binning: for ``numeric``. ``log_square`` is the paper's Criteo preparation: v > 2 becomes
            floor(ln(v)^2), at least 1, and smaller values v - 2. ``log`` cuts at the powers of
            ``log_base`` on both sides of zero. ``quantile`` learns ``bins`` intervals of equal
            mass.
        bins: the number of quantile intervals.
        separator: between the tokens of a multi-valued field.
        max_length: tokens kept of a multi-valued field; the first ones.
        pooling: how a multi-valued field's embeddings become one.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    kind: Literal["categorical", "numeric", "multi_valued", "dense"] = "categorical"
    column: str = ""
    transform: Literal["none", "hour_of_day", "weekday", "weekend"] = "none"
    time_format: TimeFormat = "%y%m%d%H"
    encoding: Literal["vocabulary", "hash", "file", "identity"] = "vocabulary"
    minimum_count: PositiveInt | None = None
    hash_rows: Annotated[int, Field(ge=3, le=LARGEST_ID)] | None = None
    vocabulary_file: Annotated[PathText, LOCAL] = ""
    cardinality: Annotated[int, Field(ge=1, lt=LARGEST_ID)] | None = None
    binning: Literal["log_square", "log", "quantile"] = "log_square"
    log_base: Annotated[float, Field(gt=1)] = 2.0
    bins: PositiveInt = 100
    separator: Annotated[str, Field(min_length=1)] = "|"
    max_length: PositiveInt = 16
    pooling: Literal["sum", "mean"] = "mean"

    @property
    def source_column(self) -> str:
        """The column of the source that this field is read from."""
        return self.column or self.name

    @property
    def recipe(self) -> str:
        """How values become tokens, and those ids, but for what is learnt from the data."""
        steps: list[str | int | float | None] = [self.kind]
        if self.transform != "none":
            steps += [self.transform, self.time_format]
        if self.kind == "numeric":
            sizes = {"log_square": None, "log": self.log_base, "quantile": self.bins}
            steps += [self.binning, sizes[self.binning]]
        if self.kind == "multi_valued":
            steps += ["up to", self.max_length]
        if self.encoding != "vocabulary":
            steps += [self.encoding, self.hash_rows or self.cardinality]
        return " ".join(str(step) for step in steps if step is not None)

    @model_validator(mode="after")
    def _check_encoding(self) -> Self:
        keys = {"hash": "hash_rows", "file": "vocabulary_file", "identity": "cardinality"}
        for encoding, key in keys.items():
            given = bool(getattr(self, key))
            if given != (encoding == self.encoding):
                verb = "is for" if given else "is needed by"
                raise ValueError(f"field {self.name!r}: {key} {verb} encoding = {encoding!r}")
        if self.encoding != "vocabulary" and self.kind in ("numeric", "dense"):
            raise ValueError(
                f"field {self.name!r}: kind {self.kind!r} takes no encoding = {self.encoding!r}"
            )
        if self.minimum_count and (self.encoding != "vocabulary" or self.kind == "dense"):
            raise ValueError(f"field {self.name!r}: minimum_count is for a learnt vocabulary")
        if self.transform != "none" and self.kind != "categorical":
            raise ValueError(f"field {self.name!r}: transform is for kind = 'categorical'")
        return self

    @model_validator(mode="after")
    def _check_idle(self) -> Self:
        """What the kind has no use for. A resolved spec names every key: defaults pass."""
        numeric, several = self.kind == "numeric", self.kind == "multi_valued"
        of_several = (several, "kind = 'multi_valued'")
        users = {
            "binning": (numeric, "kind = 'numeric'"),
            "bins": (
                numeric and self.binning == "quantile",
                "kind = 'numeric' with binning = 'quantile'",
            ),
            "log_base": (
                numeric and self.binning == "log",
                "kind = 'numeric' with binning = 'log'",
            ),
            "separator": of_several,
            "max_length": of_several,
            "pooling": of_several,
            "time_format": (self.transform != "none", "a field with a transform"),
        }
        for key, (is_used, user) in users.items():
            if not is_used and _is_set(self, key):
                raise ValueError(f"field {self.name!r}: {key} is for {user}")
        return self


class SplitFiles(Section):
    """Splits that come as files, relative to ``data.source``; kept as they are."""

    train: Locations
    valid: Locations
    test: Locations

    def locations(self, split: str) -> tuple[str, ...]:
        """The files of a split."""
        return _listed(getattr(self, split))


class SplitSpec(Section):
    """A split that a column of the log settles.

    Attributes:
        by: ``time`` lets the oldest rows train, the newest test; rows of one time stay together.
            ``column`` takes the split from the column's values.
        column: numbers or ISO 8601 times; or the names of splits.
        shares: of train, valid and test, in any scale; for ``time``.
        train, valid, test: the column's values that mean a split; for ``column``.
    """

    by: Literal["time", "column"]
    column: Annotated[str, Field(min_length=1)]
    shares: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], Lax] = (0.8, 0.1, 0.1)
    train: Annotated[tuple[str, ...], Lax] = ("train",)
    valid: Annotated[tuple[str, ...], Lax] = ("valid",)
    test: Annotated[tuple[str, ...], Lax] = ("test",)

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        idle = {"time": ("train", "valid", "test"), "column": ("shares",)}
        for key in idle[self.by]:
            if _is_set(self, key):
                other = "column" if self.by == "time" else "time"
                raise ValueError(f"data.split: {key} is for by = {other!r}")
        values = [*self.train, *self.valid, *self.test]
        if repeated := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"data.split: {', '.join(repeated)} means more than one split")
        return self


class DataSpec(Section):
    """The raw log and the dataset directory made from it.

    Attributes:
        format: ``criteo`` (Kaggle or Terabyte), ``avazu`` (its hour as it stands) and
            ``avazu_calendar`` (hour of day, weekday and weekend) know their fields; ``csv`` (with a
            header) and ``parquet`` take ``fields``.
        source: a file, a glob, or a list of them, as paths or as URLs that fsspec knows (``s3://``,
            ``gs://``, ``hdfs://``); the directory of the files when ``splits`` names them. Files
            are read in the list's order, those of a glob in the order of their names.
        directory: of the prepared dataset and nothing else, ``<run.directory>/dataset`` unless
            given.
        label: the column that holds 0 or 1, or a list of them: clicks and conversions, say. A
            model predicts the first, or those that ``model.tasks`` names.
        bad_rows: ``fail`` at the first row that cannot be read, or ``skip`` and count them.
        fields: in the model's order.
        vocabulary_from: another dataset directory, whose vocabularies and scales are used as they
            are; tokens that it does not have are out of vocabulary.
        splits: the files of given splits.
        split: a split by time or by a column. Without either, rows are split at random by
            ``prepare.ratios``.
        generator: makes the source when it is missing.
    """

    format: Literal["criteo", "avazu", "avazu_calendar", "csv", "parquet"]
    source: Locations
    directory: Annotated[PathText, LOCAL] = ""
    label: Columns = "label"
    bad_rows: Literal["fail", "skip"] = "fail"
    fields: Annotated[tuple[FieldSpec, ...], Lax] = ()
    vocabulary_from: Annotated[PathText, LOCAL] = ""
    splits: SplitFiles | None = None
    split: SplitSpec | None = None
    generator: GeneratorSpec | None = None

    @property
    def locations(self) -> tuple[str, ...]:
        """The paths, URLs and globs of ``source``."""
        return _listed(self.source)

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of ``label``."""
        return _listed(self.label)

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if len(self.locations) > 1 and (self.splits or self.generator):
            raise ValueError("data.source is one path where data.splits or data.generator is given")
        if self.generator and "://" in self.locations[0]:
            raise ValueError("data.generator writes to this machine: data.source is no URL then")
        if self.generator and self.generator.planted and self.format != "csv":
            raise ValueError("data.generator.planted writes a CSV file: set data.format to 'csv'")
        if self.split and (self.splits or self.generator):
            raise ValueError("data.split cannot be given along with data.splits or data.generator")
        return self

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        declared = self.format in ("csv", "parquet")
        if self.fields and not declared:
            raise ValueError(f"format {self.format!r} has fields of its own: remove data.fields")
        if declared and not self.fields:
            raise ValueError(f"format {self.format!r} needs data.fields, one table a field")
        if declared and all(field.kind == "dense" for field in self.fields):
            raise ValueError("data.fields: all are dense; a model needs a field with embeddings")
        if len(self.labels) > 1 and not declared:
            raise ValueError(f"format {self.format!r} has one label, its own: remove data.label")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("data.label names a column more than once")
        names = [field.name for field in self.fields]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"data.fields names {', '.join(repeated)} more than once")
        return self
