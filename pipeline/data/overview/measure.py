"""Measures of a dataset: exact ones from vocabularies and manifest, others from samples."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.data.fields.standardization import Standardization
from pipeline.data.fields.token_ids import Vocabulary
from pipeline.data.fields.vocabulary import LearntField, ListedVocabulary
from pipeline.data.manifest import SPLITS, Manifest, Split
from pipeline.data.overview.association import (
    Association,
    LabelCounts,
    associate,
    associate_numbers,
)
from pipeline.data.overview.facts import (
    DenseFacts,
    FieldFacts,
    FrequentValue,
    Overview,
    Shares,
    SplitFacts,
)
from pipeline.data.overview.sample import LabelledColumn, Sample
from pipeline.data.overview.wording import encoding_in_words
from pipeline.spec import PrepareSpec

FREQUENT_VALUES = 10
NO_ROWS = LabelledColumn(np.empty(0, np.int32), np.empty(0, bool))


def measure_dataset(
    learnt: Sequence[LearntField],
    manifest: Manifest,
    samples: Mapping[str, Sample],
    prepare: PrepareSpec,
) -> Overview:
    """The overview of a dataset, without warnings.

    Args:
        learnt: the fields in the model's order.
        manifest: of the dataset.
        samples: of the splits that have rows.
        prepare: the spec's section.
    """
    train = samples["train"]
    scored_on = _scored_split(manifest)
    frozen = manifest.vocabulary == "frozen"
    fields, dense = [], []
    for one in learnt:
        name = one.field.name
        known = train.column(name)
        scored = samples[scored_on].column(name) if scored_on in samples else NO_ROWS
        if isinstance(one.encoding, Vocabulary):
            words = encoding_in_words(one.field, prepare.minimum_count, frozen)
            found = associate(known, scored, one.encoding.cardinality)
            fields.append(_field_facts(one, one.encoding, words, samples, found))
        else:
            missing = 1 - (one.numbers or 0) / manifest.splits["train"].rows
            auc = associate_numbers(known, scored).auc
            dense.append(_dense_facts(name, one.encoding, missing, known.flat, auc))
    return Overview(
        sources=tuple(source["file"] for source in manifest.sources),
        counted_on=prepare.vocabulary,
        scored_on=scored_on,
        rows_read=manifest.rows_read,
        rows_skipped=manifest.rows_skipped,
        splits={name: _split_facts(manifest.splits[name], samples.get(name)) for name in SPLITS},
        fields=tuple(fields),
        dense=tuple(dense),
    )


def _scored_split(manifest: Manifest) -> str:
    """Valid, or test where valid has not both labels."""
    others = [(name, manifest.splits[name]) for name in SPLITS[1:]]
    both = [name for name, split in others if 0 < split.positives < split.rows]
    return both[0] if both else SPLITS[1]


def _split_facts(split: Split, sample: Sample | None) -> SplitFacts:
    return SplitFacts(
        rows=split.rows,
        positives=split.positives,
        label_rate=_share(split.positives, split.rows) if split.rows else None,
        sampled_rows=sample.rows if sample else 0,
    )


def _field_facts(
    learnt: LearntField,
    vocabulary: Vocabulary,
    words: str,
    samples: Mapping[str, Sample],
    found: Association,
) -> FieldFacts:
    field, counts = learnt.field, vocabulary.counts
    assert field.kind != "dense"
    total, used = int(counts.sum()), counts[counts > 0]
    listed = isinstance(vocabulary, ListedVocabulary)
    missing = vocabulary.missing_id
    return FieldFacts(
        name=field.name,
        kind=field.kind,
        encoding=words,
        distinct=learnt.distinct,
        ids=vocabulary.cardinality,
        ids_used=len(used),
        counted=total,
        missing=0.0 if missing is None else _share(int(counts[missing]), total),
        out_of_vocabulary=_share(int(counts[0]), total) if listed else None,
        by_split={
            name: _shares(sample.column(field.name).flat, missing, listed)
            for name, sample in samples.items()
        },
        auc=_rounded(found.auc),
        coverage=_coverage(used),
        frequent=tuple(
            _frequent_value(vocabulary, number, found.counts) for number in _most_frequent(counts)
        ),
    )


def _shares(ids: np.ndarray, missing: int | None, listed: bool) -> Shares:
    without = 0 if missing is None else int(np.count_nonzero(ids == missing))
    unknown = int(np.count_nonzero(ids == 0))
    return Shares(_share(without, len(ids)), _share(unknown, len(ids)) if listed else None)


def _coverage(used: np.ndarray) -> tuple[tuple[int, float], ...]:
    """At 1, 2, 5, 10, 20, ... ids, and at all that are used."""
    covered = np.cumsum(np.sort(used)[::-1])
    steps = [step * 10**power for power in range(10) for step in (1, 2, 5)]
    marks = [*(step for step in steps if step < len(used)), len(used)] if len(used) else []
    return tuple((mark, _share(int(covered[mark - 1]), int(covered[-1]))) for mark in marks)


def _most_frequent(counts: np.ndarray) -> list[int]:
    """Ids by falling count, ties by id; those that occur."""
    used = np.flatnonzero(counts)
    if len(used) > FREQUENT_VALUES:
        found = counts[used]
        least = np.partition(found, -FREQUENT_VALUES)[-FREQUENT_VALUES]
        above, ties = used[found > least], used[found == least]
        used = np.concatenate([above, ties[: FREQUENT_VALUES - len(above)]])
    return used[np.argsort(-counts[used], kind="stable")].tolist()


def _frequent_value(vocabulary: Vocabulary, number: int, labels: LabelCounts) -> FrequentValue:
    rows, positives = labels.of_id(number)
    return FrequentValue(
        id=number,
        value=vocabulary.token_of_id(number),
        count=int(vocabulary.counts[number]),
        label_rate=_share(positives, rows) if rows else None,
    )


def _dense_facts(
    name: str, scale: Standardization, missing: float, scaled: np.ndarray, auc: float | None
) -> DenseFacts:
    low, middle, high = (
        float(f"{float(x) * scale.deviation + scale.mean:.6g}")
        for x in (scaled.min(), np.median(scaled), scaled.max())
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
        auc=_rounded(auc),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
