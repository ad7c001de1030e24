"""The figures of small tables, counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.overview.facts import DenseFacts, FieldFacts, FrequentValue, Shares
from pipeline.data.overview.sample import SAMPLED_ROWS

TRAIN = [("a", 1), ("a", 1), ("a", 0), ("b", 0), ("b", 1), ("", 0), ("c", 1), ("a", 1)]
VALID = [("a", 1), ("b", 1), ("", 0), ("d", 0)]
TEST = [("e", 0), ("a", 0)]
ROWS = [*TRAIN, *VALID, *TEST]
COLUMNS = {
    "label": [label for _, label in ROWS],
    "color": [color for color, _ in ROWS],
    "fold": ["train"] * 8 + ["valid"] * 4 + ["test"] * 2,
}


def color_of(look, **settings: object) -> FieldFacts:
    (field,) = look(COLUMNS, [{"name": "color"}], **settings).fields
    return field


def test_a_field_counted_by_hand(look) -> None:
    field = color_of(look, prepare={"minimum_count": 2})
    # Six times a, three times b, twice missing; c, d and e once each.
    assert field == FieldFacts(
        name="color",
        kind="categorical",
        encoding="minimum count 2",
        distinct=6,
        ids=4,
        ids_used=4,
        counted=14,
        missing=round(2 / 14, 6),
        out_of_vocabulary=round(3 / 14, 6),
        by_split={
            "train": Shares(1 / 8, 1 / 8),
            "valid": Shares(1 / 4, 1 / 4),
            "test": Shares(0.0, 1 / 2),
        },
        # Smoothed: a 15.5 / 24, out of vocabulary 13.5 / 21, b 13.5 / 22, missing 12.5 / 21.
        auc=0.75,
        coverage=((1, round(6 / 14, 6)), (2, round(9 / 14, 6)), (4, 1.0)),
        frequent=(
            FrequentValue(1, "a", 6, 3 / 4),
            FrequentValue(0, None, 3, 1.0),
            FrequentValue(2, "b", 3, 1 / 2),
            FrequentValue(3, "", 2, 0.0),
        ),
    )


def test_a_vocabulary_of_train_counts_train(look) -> None:
    field = color_of(look, prepare={"vocabulary": "train"})
    assert (field.distinct, field.ids, field.counted) == (4, 5, 8)
    assert (field.missing, field.out_of_vocabulary) == (1 / 8, 0.0)
    assert field.by_split["valid"] == Shares(1 / 4, 1 / 4)
    assert field.by_split["test"] == Shares(0.0, 1 / 2)


def test_rows_and_label_rates_by_split(look) -> None:
    overview = look(COLUMNS, [{"name": "color"}])
    found = {
        name: (split.rows, split.positives, split.label_rate, split.sampled_rows)
        for name, split in overview.splits.items()
    }
    assert found == {"train": (8, 5, 5 / 8, 8), "valid": (4, 2, 0.5, 4), "test": (2, 0, 0.0, 2)}
    assert (overview.sources, overview.rows_read, overview.rows_skipped) == (("log.csv",), 14, {})


def test_skipped_rows_are_there_by_reason(look) -> None:
    columns = {**COLUMNS, "label": [*COLUMNS["label"][:-2], "x", 2]}
    overview = look(columns, [{"name": "color"}], bad_rows="skip")
    assert overview.rows_read == 14
    assert sum(overview.rows_skipped.values()) == 2
    assert sum(split.rows for split in overview.splits.values()) == 12


def test_where_valid_has_one_class_test_is_scored(look) -> None:
    folds = ["train"] * 6 + ["test"] * 6 + ["valid"] * 2
    overview = look({**COLUMNS, "fold": folds}, [{"name": "color"}])
    assert overview.scored_on == "test"
    assert overview.fields[0].auc is not None


def test_without_other_rows_there_is_no_auc(look) -> None:
    overview = look({**COLUMNS, "fold": ["train"] * 14}, [{"name": "color"}])
    (field,) = overview.fields
    assert field.auc is None
    assert list(field.by_split) == ["train"]
    assert overview.splits["valid"].label_rate is None


KINDS = {
    "label": [1, 0, 1, 0, 1, 0],
    "size": ["1", "2", "100", "", "1", "101"],
    "price": ["0.5", "1.5", "2.5", "3.5", "", "5.5"],
    "weight": ["1", "10", "100", "-5", "0.2", ""],
    "tags": ["x|y", "x", "", "x|z|y", "y", "x"],
    "shop": ["s1", "s2", "", "s1", "s1", "s3"],
    "slot": ["3", "0", "", "3", "3", "1"],
    "word": ["red", "blue", "green", "red", "", "red"],
    "hour": ["14102100", "14102101", "14102200", "", "14102100", "14102100"],
    "age": ["10", "20", "", "40", "30", "90"],
    "fold": ["train", "train", "train", "train", "valid", "test"],
}


@pytest.fixture
def every_kind(look, tmp_path: Path) -> dict[str, FieldFacts | DenseFacts]:
    words = tmp_path / "words.txt"
    words.write_text("blue\nred\n")
    fields = [
        {"name": "size", "kind": "numeric", "minimum_count": 2},
        {"name": "price", "kind": "numeric", "binning": "quantile", "bins": 2},
        {"name": "weight", "kind": "numeric", "binning": "log", "log_base": 10},
        {"name": "tags", "kind": "multi_valued", "max_length": 2},
        {"name": "shop", "encoding": "hash", "hash_rows": 1_000},
        {"name": "slot", "encoding": "identity", "cardinality": 5},
        {"name": "word", "encoding": "file", "vocabulary_file": str(words)},
        {"name": "hour", "transform": "hour_of_day"},
        {"name": "age", "kind": "dense"},
    ]
    return {field.name: field for field in look(KINDS, fields).all_fields}


@pytest.mark.parametrize(
    ("name", "encoding", "distinct", "ids", "used", "counted", "missing", "unknown"),
    [
        # 1 is -1, 2 is 0, 100 and 101 are both 21: two bins that occur twice, and the missing one.
        ("size", "log-square bins, minimum count 2", 4, 4, 4, 6, 1, 1),
        ("price", "2 quantiles, minimum count 1", 6, 4, 3, 6, 1, 0),
        ("weight", "log bins of base 10, minimum count 1", 6, 7, 6, 6, 1, 0),
        # x y, x, missing, x z, y, x
        ("tags", "up to 2 tokens, minimum count 1", 4, 5, 4, 8, 1, 0),
        ("shop", "hashed into 1,000 rows", None, 1_000, 4, 6, 1, None),
        ("slot", "ids as they are", 4, 6, 4, 6, 1, None),
        ("word", "given vocabulary", 4, 4, 4, 6, 1, 1),
        ("hour", "hour of day, minimum count 1", 3, 4, 3, 6, 1, 0),
    ],
)
def test_every_kind_of_field(
    every_kind: dict[str, FieldFacts],
    name: str,
    encoding: str,
    distinct: int | None,
    ids: int,
    used: int,
    counted: int,
    missing: int,
    unknown: int | None,
) -> None:
    field = every_kind[name]
    assert field.encoding == encoding
    assert (field.distinct, field.ids, field.ids_used) == (distinct, ids, used)
    assert (field.counted, field.missing) == (counted, round(missing / counted, 6))
    expected = None if unknown is None else round(unknown / counted, 6)
    assert field.out_of_vocabulary == expected
    assert sum(value.count for value in field.frequent) == counted


def test_values_of_hashed_and_given_ids(every_kind: dict[str, FieldFacts]) -> None:
    shop = [(value.value, value.count) for value in every_kind["shop"].frequent]
    assert sorted(shop, key=str) == [("", 1), (None, 1), (None, 1), (None, 3)]
    slot = [(value.id, value.value, value.count) for value in every_kind["slot"].frequent]
    assert slot == [(3, "3", 3), (0, "0", 1), (1, "1", 1), (5, "", 1)]


def test_a_dense_field(every_kind: dict[str, DenseFacts]) -> None:
    age = every_kind["age"]
    # Train has 10, 20, a missing one, which becomes the mean, and 40.
    assert age.mean == pytest.approx(70 / 3)
    assert age.deviation == pytest.approx(np.std([10, 20, 40]))
    assert age.missing == 0.25
    assert (age.smallest, age.largest) == (10, 40)
    assert age.median == pytest.approx((20 + 70 / 3) / 2, rel=1e-4)


def test_only_the_most_frequent_values_are_listed(look, rng: np.random.Generator) -> None:
    numbers = rng.permutation(np.repeat(np.arange(40), np.arange(40) // 2 + 1))
    columns = {"label": numbers % 2, "n": numbers, "fold": ["train"] * len(numbers)}
    (field,) = look(columns, [{"name": "n"}]).fields
    expected = sorted(range(40), key=lambda n: (-(n // 2), str(n)))[:10]
    assert [value.value for value in field.frequent] == list(map(str, expected))
    assert [value.label_rate for value in field.frequent] == [n % 2 for n in expected]
    assert [ids for ids, _ in field.coverage] == [1, 2, 5, 10, 20, 40]


def test_a_rare_value_of_a_sample_has_no_label_rate(look) -> None:
    rows = SAMPLED_ROWS["train"] + 1
    numbers = np.arange(rows) * 800 // rows
    numbers[:200] = 999
    labels = (numbers == 999).astype(int)
    (field,) = look(
        {"label": labels, "n": numbers, "fold": ["train"] * rows}, [{"name": "n"}]
    ).fields
    found = [(value.value, value.label_rate) for value in field.frequent]
    assert found[0] == ("999", 1.0)
    assert {rate for _, rate in found[1:]} == {None}
