"""Measures of a dataset: exact ones from vocabularies and manifest, others from samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.data.fields.standardization import Standardization
from pipeline.data.fields.token_ids import Vocabulary
from pipeline.data.fields.vocabulary import LearntField, ListedVocabulary
from pipeline.data.manifest import SPLITS, Manifest, Split
from pipeline.data.overview.association import (
    LabelCounts,
    count_labels,
    cut,
    interval_edges,
    one_field_auc,
)
from pipeline.data.overview.facts import (
    DenseFacts,
    FieldFacts,
    FrequentValue,
    Overview,
    Shares,
    SplitFacts,
)
from pipeline.data.overview.occurrences import coverage, most_frequent, share
from pipeline.data.overview.sample import LabelledColumn, Sample
from pipeline.data.overview.wording import encoding_in_words
from pipeline.spec import PrepareSpec

# Of a value in a sample, for its label rate to be told: its standard error is then 0.05 or less.
_FEWEST_ROWS = 100


def measure_dataset(
    learnt: Sequence[LearntField],
    manifest: Manifest,
    samples: Mapping[str, Sample],
    prepare: PrepareSpec,
) -> Overview:
    """The overview of a dataset and its first label, without warnings.

    Args:
        learnt: the fields in the model's order.
        manifest: of the dataset.
        samples: of the splits that have rows.
        prepare: the spec's section.
    """
    train, rows = samples["train"], manifest.splits["train"].rows
    looked = _Looked(
        samples=samples,
        scored_on=_scored_split(manifest),
        rate=float(train.labels.mean()),
        fewest_rows=_FEWEST_ROWS if train.rows < rows else 1,
    )
    fields, dense = [], []
    for one in learnt:
        if isinstance(one.encoding, Vocabulary):
            frozen = manifest.vocabulary == "frozen"
            words = encoding_in_words(one.field, prepare.minimum_count, frozen)
            fields.append(_field_facts(one, one.encoding, words, looked))
        else:
            missing = 1 - (one.numbers or 0) / rows
            dense.append(_dense_facts(one.field.name, one.encoding, missing, looked))
    return Overview(
        sources=tuple(source["file"] for source in manifest.sources),
        label=manifest.labels[0],
        counted_on=prepare.vocabulary,
        scored_on=looked.scored_on,
        rows_read=manifest.rows_read,
        rows_skipped=manifest.rows_skipped,
        splits={
            name: _split_facts(manifest.splits[name], manifest.labels[0], samples.get(name))
            for name in SPLITS
        },
        fields=tuple(fields),
        dense=tuple(dense),
    )


@dataclass(frozen=True)
class _Looked:
    """What every field is looked at with.

    Attributes:
        samples: of the splits that have rows.
        scored_on: the split whose rows a field alone ranks.
        rate: share of positives in the train sample.
        fewest_rows: of a value in the train sample, for its label rate to be told.
    """

    samples: Mapping[str, Sample]
    scored_on: str
    rate: float
    fewest_rows: int

    def auc(
        self, columns: Mapping[str, LabelledColumn], counts: Mapping[str, LabelCounts]
    ) -> float | None:
        """Of one field alone; None where there are no rows to score."""
        name = self.scored_on
        if name not in columns:
            return None
        auc = one_field_auc(counts["train"], self.rate, columns[name], counts[name])
        return None if auc is None else round(auc, 6)


def _scored_split(manifest: Manifest) -> str:
    """Valid, or test where valid has not both labels."""
    others = [(name, manifest.splits[name]) for name in SPLITS[1:]]
    label = manifest.labels[0]
    both = [name for name, split in others if 0 < split.positives[label] < split.rows]
    return both[0] if both else SPLITS[1]


def _split_facts(split: Split, label: str, sample: Sample | None) -> SplitFacts:
    positives = split.positives[label]
    return SplitFacts(
        rows=split.rows,
        positives=positives,
        label_rate=share(positives, split.rows) if split.rows else None,
        sampled_rows=sample.rows if sample else 0,
    )


def _field_facts(
    learnt: LearntField, vocabulary: Vocabulary, words: str, looked: _Looked
) -> FieldFacts:
    field, counts = learnt.field, vocabulary.counts
    assert field.kind != "dense"
    total, used = int(counts.sum()), counts[counts > 0]
    listed = isinstance(vocabulary, ListedVocabulary)
    missing = vocabulary.missing_id
    columns = {name: sample.column(field.name) for name, sample in looked.samples.items()}
    labels = {name: count_labels(columns[name], len(counts)) for name in columns}
    return FieldFacts(
        name=field.name,
        kind=field.kind,
        encoding=words,
        distinct=learnt.distinct,
        ids=vocabulary.cardinality,
        ids_used=len(used),
        counted=total,
        missing=0.0 if missing is None else share(int(counts[missing]), total),
        out_of_vocabulary=share(int(counts[0]), total) if listed else None,
        by_split={name: _shares(labels[name], missing, listed) for name in labels},
        auc=looked.auc(columns, labels),
        coverage=coverage(used),
        frequent=_frequent_values(vocabulary, labels["train"], looked.fewest_rows),
    )


def _shares(labels: LabelCounts, missing: int | None, listed: bool) -> Shares:
    total = int(labels.rows.sum())
    return Shares(
        missing=0.0 if missing is None else share(labels.occurrences(missing), total),
        out_of_vocabulary=share(labels.occurrences(0), total) if listed else None,
    )


def _frequent_values(
    vocabulary: Vocabulary, labels: LabelCounts, fewest_rows: int
) -> tuple[FrequentValue, ...]:
    ids = most_frequent(vocabulary.counts)
    counts, tokens = vocabulary.counts[ids].tolist(), vocabulary.tokens_of_ids(ids)
    rows, positives = (figures.tolist() for figures in labels.of_ids(ids))
    return tuple(
        FrequentValue(one, token, count, share(clicked, seen) if seen >= fewest_rows else None)
        for one, token, count, seen, clicked in zip(
            ids.tolist(), tokens, counts, rows, positives, strict=True
        )
    )


def _dense_facts(name: str, scale: Standardization, missing: float, looked: _Looked) -> DenseFacts:
    numbers = looked.samples["train"].column(name).flat
    edges = interval_edges(numbers)
    columns = {split: cut(sample.column(name), edges) for split, sample in looked.samples.items()}
    labels = {split: count_labels(columns[split], len(edges) + 1) for split in columns}
    low, middle, high = (
        float(f"{float(x) * scale.deviation + scale.mean:.6g}")
        for x in (numbers.min(), np.median(numbers), numbers.max())
    )
    return DenseFacts(
        name=name,
        kind="dense",
        encoding="scaled to mean 0, deviation 1",
        mean=scale.mean,
        deviation=scale.deviation,
        missing=round(missing, 6),
        smallest=low,
        median=middle,
        largest=high,
        auc=looked.auc(columns, labels),
    )
