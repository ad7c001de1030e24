"""What an overview says, as data: the content of ``overview.json``."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class SplitFacts:
    """A split.

    Attributes:
        rows: all of them.
        positives: those with label 1.
        label_rate: their share; None without rows.
        sampled_rows: those that label rates by value and shares by split come from.
    """

    rows: int
    positives: int
    label_rate: float | None
    sampled_rows: int


@dataclass(frozen=True)
class FrequentValue:
    """One of a field's most frequent ids.

    Attributes:
        id: in the dataset.
        value: its token, "" for a missing value; None where many tokens share the id.
        count: occurrences among those that were counted.
        label_rate: in the train sample; None where that has too few rows of it.
    """

    id: int
    value: str | None
    count: int
    label_rate: float | None


@dataclass(frozen=True)
class Shares:
    """Of the occurrences in a split's sample.

    Attributes:
        missing: those without a value.
        out_of_vocabulary: those with id 0; None where that is not what id 0 means.
    """

    missing: float
    out_of_vocabulary: float | None


@dataclass(frozen=True)
class FieldFacts:
    """A field that ends as ids.

    Attributes:
        name: the field's.
        kind: the field's.
        encoding: how its values become ids, in words.
        distinct: see ``LearntField``.
        ids: cardinality, out-of-vocabulary included.
        ids_used: those that occur.
        counted: occurrences that the vocabulary's counts are of; a row of a multi-valued field has
            several.
        missing: share of them without a value.
        out_of_vocabulary: share of them with id 0; None where that is not what id 0 means.
        by_split: shares in the splits' samples.
        auc: on the valid sample, of the label rates by id that the train sample has.
        coverage: pairs of a number of ids, the most frequent ones, and their share of occurrences.
        frequent: the most frequent ids.
    """

    name: str
    kind: Literal["categorical", "numeric", "multi_valued"]
    encoding: str
    distinct: int | None
    ids: int
    ids_used: int
    counted: int
    missing: float
    out_of_vocabulary: float | None
    by_split: dict[str, Shares]
    auc: float | None
    coverage: tuple[tuple[int, float], ...]
    frequent: tuple[FrequentValue, ...]


@dataclass(frozen=True)
class DenseFacts:
    """A field that stays a number.

    Attributes:
        name: the field's.
        kind: the field's.
        encoding: what was done to it, in words.
        mean: over the train split.
        deviation: over the train split.
        missing: share of train's rows without a number.
        smallest: number in the train sample.
        median: of the train sample, missing ones at the mean.
        largest: number in the train sample.
        auc: on the valid sample, of the label rates by interval that the train sample has.
    """

    name: str
    kind: Literal["dense"]
    encoding: str
    mean: float
    deviation: float
    missing: float
    smallest: float
    median: float
    largest: float
    auc: float | None


@dataclass(frozen=True)
class Finding:
    """Something that hurts models.

    Attributes:
        about: ``field`` or ``split``.
        name: of the field or the split.
        text: the figure, and what to do.
    """

    about: Literal["field", "split"]
    name: str
    text: str

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{self.about} {self.name!r}: {self.text}"


@dataclass(frozen=True)
class Overview:
    """A dataset at a glance.

    Attributes:
        sources: the files' names.
        label: the dataset's first, which positives, rates and ``auc`` are of.
        counted_on: rows that the fields' counts are of; ``all`` or ``train``.
        scored_on: the split that ``auc`` is of.
        rows_read: of the sources.
        rows_skipped: by reason.
        splits: by name.
        fields: in the model's order.
        dense: in the model's order.
        warnings: fields' first.
    """

    sources: tuple[str, ...]
    label: str
    counted_on: Literal["all", "train"]
    scored_on: str
    rows_read: int
    rows_skipped: dict[str, int]
    splits: dict[str, SplitFacts]
    fields: tuple[FieldFacts, ...]
    dense: tuple[DenseFacts, ...]
    warnings: tuple[Finding, ...] = ()

    @property
    def all_fields(self) -> tuple[FieldFacts | DenseFacts, ...]:
        """Those of both kinds."""
        return (*self.fields, *self.dense)


def overview_from_values(values: dict[str, Any]) -> Overview:
    """The overview back from what ``json`` made of it."""
    taken = {
        "sources": tuple(values["sources"]),
        "splits": {name: SplitFacts(**split) for name, split in values["splits"].items()},
        "fields": tuple(map(_field_from_values, values["fields"])),
        "dense": tuple(DenseFacts(**field) for field in values["dense"]),
        "warnings": tuple(Finding(**finding) for finding in values["warnings"]),
    }
    return Overview(**{**values, **taken})


def _field_from_values(values: dict[str, Any]) -> FieldFacts:
    taken = {
        "by_split": {name: Shares(**shares) for name, shares in values["by_split"].items()},
        "coverage": tuple((ids, share) for ids, share in values["coverage"]),
        "frequent": tuple(FrequentValue(**value) for value in values["frequent"]),
    }
    return FieldFacts(**{**values, **taken})
