"""One field as the only one, against row-by-row references."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.overview.association import (
    PRIOR_ROWS,
    auc_of_groups,
    count_labels,
    cut,
    interval_edges,
    one_field_auc,
)
from pipeline.data.overview.sample import LabelledColumn
from pipeline.data.ragged import Ragged
from pipeline.metrics.auc import auc

IDS = 6
Rows = list[tuple[list[int], bool]]
single_rows = st.lists(
    st.tuples(st.lists(st.integers(0, IDS - 1), min_size=1, max_size=1), st.booleans()),
    min_size=1,
    max_size=40,
)
several_rows = st.lists(
    st.tuples(st.lists(st.integers(0, IDS - 1), min_size=1, max_size=3), st.booleans()),
    min_size=1,
    max_size=40,
)


def column(rows: Rows, several: bool = False) -> LabelledColumn:
    labels = np.array([label for _, label in rows], dtype=bool)
    flat = np.array([one for ids, _ in rows for one in ids], dtype=np.int32)
    if not several:
        return LabelledColumn(flat, labels)
    offsets = np.cumsum([0, *(len(ids) for ids, _ in rows)])
    return LabelledColumn(Ragged(flat, offsets), labels)


def reference(train: Rows, scored: Rows) -> float:
    """Exact rates and means, then the AUC over pairs of rows."""
    rate = Fraction(sum(label for _, label in train), len(train))

    def score(one: int) -> Fraction:
        seen = [label for ids, label in train for i in ids if i == one]
        return (sum(seen) + PRIOR_ROWS * rate) / (len(seen) + PRIOR_ROWS)

    scores = [sum(map(score, ids), Fraction(0)) / len(ids) for ids, _ in scored]
    ranks = {value: rank for rank, value in enumerate(sorted(set(scores)))}
    labels = np.array([label for _, label in scored])
    return auc(labels, np.array([ranks[value] for value in scores]))


def auc_of(train: LabelledColumn, scored: LabelledColumn, ids: int = IDS) -> float | None:
    rate = float(train.labels.mean())
    return one_field_auc(count_labels(train, ids), rate, scored, count_labels(scored, ids))


@given(train=single_rows, scored=single_rows)
def test_the_auc_is_that_of_smoothed_label_rates(train: Rows, scored: Rows) -> None:
    found, expected = auc_of(column(train), column(scored)), reference(train, scored)
    assert (found is None and np.isnan(expected)) or found == pytest.approx(expected)


def test_a_row_of_several_ids_has_the_mean_of_their_rates() -> None:
    train: Rows = [([0], True)] * 30 + [([1], False)] * 30 + [([2], True), ([2], False)] * 15
    # From the lowest mean to the highest.
    scored: Rows = [([1], False), ([1, 2], False), ([0, 1], True), ([0, 2], True), ([0], True)]
    assert auc_of(column(train, True), column(scored, True)) == 1.0
    turned = [(ids, not label) for ids, label in scored]
    assert auc_of(column(train, True), column(turned, True)) == 0.0


@given(rows=several_rows, cardinality=st.sampled_from([IDS, 2**31 - 1]))
def test_labels_are_counted_by_occurrence(rows: Rows, cardinality: int) -> None:
    """Ids among many are numbered anew on the way."""
    counts = count_labels(column(rows, True), cardinality)
    labels = [[label for ids, label in rows for i in ids if i == one] for one in range(IDS)]
    expected = [list(map(len, labels)), list(map(sum, labels))]
    assert [figures.tolist() for figures in counts.of_ids(np.arange(IDS))] == expected
    assert counts.ids.tolist() == [one for one in range(IDS) if labels[one]]


def test_an_id_of_few_rows_counts_less_than_one_of_many() -> None:
    train: Rows = [([0], True)] + [([1], True)] * 90 + [([1], False)] * 10 + [([2], False)] * 99
    scored: Rows = [([0], False), ([1], True)]
    assert auc_of(column(train), column(scored)) == 1.0


def auc_of_numbers(both: LabelledColumn) -> float | None:
    edges = interval_edges(both.flat)
    found = cut(both, edges)
    return auc_of(found, found, len(edges) + 1)


def test_numbers_that_rise_and_fall_with_the_label_are_found() -> None:
    x = np.linspace(-1, 1, 4_000, dtype=np.float32)
    assert auc_of_numbers(LabelledColumn(x, np.abs(x) > 0.5)) == pytest.approx(1, abs=0.01)


def test_a_rare_number_has_an_interval_of_its_own() -> None:
    x = np.zeros(10_000, dtype=np.float32)
    x[::1_000] = 1
    assert auc_of_numbers(LabelledColumn(x, x > 0)) == 1.0


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_rows_of_one_class_have_no_auc(labels: list[bool]) -> None:
    train = column([([0], True), ([1], False)])
    scored = column([([0], label) for label in labels])
    assert auc_of(train, scored) is None


@given(
    groups=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20
    )
)
def test_the_auc_of_groups_is_that_of_their_rows(groups: list[tuple[int, int, int]]) -> None:
    scores, positives, negatives = (np.array(values) for values in zip(*groups, strict=True))
    labels = np.concatenate([np.ones(positives.sum()), np.zeros(negatives.sum())])
    rows = np.concatenate([np.repeat(scores, positives), np.repeat(scores, negatives)])
    found, expected = auc_of_groups(scores, positives, negatives), auc(labels, rows)
    assert (found is None and np.isnan(expected)) or found == pytest.approx(expected)
