"""Each warning on a planted fault, and none on sound data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.overview.facts import Finding, Overview

ROWS = 1_200
FOLDS = np.repeat(["train", "valid", "test"], [800, 200, 200])
Columns = dict[str, Any]


@pytest.fixture
def sound(rng: np.random.Generator) -> Columns:
    """Columns that tell a little of the label."""
    return sound_columns(rng)


def sound_columns(rng: np.random.Generator) -> Columns:
    color, size = rng.integers(0, 5, ROWS), rng.integers(1, 300, ROWS)
    labels = rng.random(ROWS) < 0.2 + 0.05 * color + 0.0005 * size
    return {"label": labels.astype(int), "color": color, "size": size, "fold": FOLDS}


FIELDS = [{"name": "color"}, {"name": "size", "kind": "numeric"}]


def with_field(look, columns: Columns, values: Any, **field: Any) -> Overview:
    """The overview of sound columns and another one, ``extra``."""
    return look({**columns, "extra": values}, [*FIELDS, {"name": "extra", **field}])


def only_warning(overview: Overview) -> Finding:
    (finding,) = overview.warnings
    return finding


def test_sound_columns_have_no_warnings(look, sound: Columns) -> None:
    assert look(sound, FIELDS).warnings == ()


@pytest.mark.parametrize("seed", range(12))
def test_random_columns_in_random_splits_have_no_warnings(look, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(60, 1_500))
    columns: Columns = {"label": (rng.random(rows) < rng.uniform(0.02, 0.9)).astype(int)}
    columns["label"][:2] = 0, 1
    for number in range(8):
        columns[f"f{number}"] = rng.zipf(1.3, rows) % 10 ** (1 + number % 4)
    fields = [{"name": f"f{number}"} for number in range(6)]
    fields += [{"name": "f6", "kind": "dense"}, {"name": "f7", "kind": "numeric"}]
    found = look(columns, fields, prepare={"minimum_count": 2}).warnings
    # A small split may lack one of the labels, and it says so.
    assert [one.line for one in found if "so it has no AUC" not in one.text] == []


LEAKS: list[tuple[str, Any, dict[str, Any]]] = [
    ("a copy", lambda labels, rng: labels, {}),
    ("a dense copy", lambda labels, rng: 3 * labels - 1, {"kind": "dense"}),
    ("a numeric copy", lambda labels, rng: 40 - 9 * labels, {"kind": "numeric"}),
    ("a hashed copy", lambda labels, rng: labels, {"encoding": "hash", "hash_rows": 50}),
    (
        "a time that only clicks have",
        lambda labels, rng: np.where(labels, rng.integers(0, 10**9, ROWS).astype(str), ""),
        {},
    ),
    (
        "a tag among others",
        lambda labels, rng: [f"t{rng.integers(3)}|{'bought' if y else 'seen'}" for y in labels],
        {"kind": "multi_valued"},
    ),
]


@pytest.mark.parametrize(
    ("values", "field"), [leak[1:] for leak in LEAKS], ids=[x[0] for x in LEAKS]
)
def test_a_field_that_gives_the_label_away(
    look, sound: Columns, rng: np.random.Generator, values: Any, field: dict[str, Any]
) -> None:
    finding = only_warning(with_field(look, sound, values(sound["label"], rng), **field))
    assert (finding.about, finding.name) == ("field", "extra")
    assert finding.text.startswith("alone it ranks valid's rows with an AUC of 1.000, the best of ")
    assert finding.text.endswith(
        ": it gives the label away; leave it out unless it is known before the label"
    )


def test_two_copies_of_the_label_are_both_named(look, sound: Columns) -> None:
    columns = {**sound, "one": sound["label"], "two": sound["label"]}
    overview = look(columns, [{"name": "two"}, *FIELDS, {"name": "one"}])
    assert [finding.name for finding in overview.warnings] == ["two", "one"]


def test_a_noisy_copy_is_suspect_for_it_is_far_above_the_others(
    look, sound: Columns, rng: np.random.Generator
) -> None:
    noisy = np.where(rng.random(ROWS) < 0.1, 1 - sound["label"], sound["label"])
    finding = only_warning(with_field(look, sound, noisy))
    assert "it may give the label away" in finding.text
    beside = look(
        {**sound, "one": noisy, "two": noisy}, [*FIELDS, {"name": "one"}, {"name": "two"}]
    )
    assert beside.warnings == ()


def test_a_strong_field_is_no_leak(look, sound: Columns, rng: np.random.Generator) -> None:
    strong = np.where(rng.random(ROWS) < 0.25, 1 - sound["label"], sound["label"])
    assert with_field(look, sound, strong).warnings == ()


def test_few_rows_do_not_tell_a_leak_from_chance(look) -> None:
    labels = [0, 1] * 10
    columns = {
        "label": labels,
        "copy": labels,
        "fold": ["train"] * 12 + ["valid"] * 4 + ["test"] * 4,
    }
    assert look(columns, [{"name": "copy"}]).warnings == ()


CONSTANTS: list[tuple[Any, dict[str, Any], str]] = [
    ("x", {}, "all rows have 'x'"),
    ("7", {"kind": "numeric"}, "all rows have '3'"),
    ("7.5", {"kind": "dense"}, "all train rows have '7.5'"),
    ("", {"kind": "dense"}, "it is missing in all train rows"),
    ("", {}, "it is missing in all rows"),
    ("", {"encoding": "hash", "hash_rows": 9}, "it is missing in all rows"),
    ("2", {"encoding": "identity", "cardinality": 4}, "all rows have '2'"),
]


@pytest.mark.parametrize(("value", "field", "what"), CONSTANTS)
def test_a_constant_field(
    look, sound: Columns, value: str, field: dict[str, Any], what: str
) -> None:
    finding = only_warning(with_field(look, sound, [value] * ROWS, **field))
    assert finding == Finding("field", "extra", f"{what}, so it teaches nothing; leave it out")


def test_a_constant_value_that_is_hashed_has_no_name(look, sound: Columns) -> None:
    finding = only_warning(with_field(look, sound, ["x"] * ROWS, encoding="hash", hash_rows=9))
    assert finding.text == "all rows have the same id, so it teaches nothing; leave it out"


def test_two_values_are_not_constant(look, sound: Columns) -> None:
    for kind in ("categorical", "dense"):
        assert with_field(look, sound, [2] + [1] * (ROWS - 1), kind=kind).warnings == ()


def test_a_field_of_rare_values(look, sound: Columns) -> None:
    finding = only_warning(with_field(look, sound, np.arange(ROWS), minimum_count=2))
    assert finding.text == (
        "100.0% of its values are out of vocabulary; lower its minimum_count or give it another "
        'vocabulary, set encoding = "hash", or leave it out'
    )


def test_values_that_train_does_not_know(look, sound: Columns) -> None:
    sessions = np.arange(ROWS) // 10
    columns = {**sound, "extra": sessions}
    fields = [*FIELDS, {"name": "extra"}]
    found = look(columns, fields, prepare={"vocabulary": "train"}).warnings
    assert [finding.name for finding in found] == ["extra", "extra"]
    assert found[0].text == (
        "100.0% of its values in valid are out of vocabulary, 0.0% in train: its tokens are new "
        "each time; raise its minimum_count, so that train teaches the out-of-vocabulary row, or "
        'set encoding = "hash"'
    )
    assert " in test are out of vocabulary" in found[1].text
    assert look(columns, fields).warnings == ()


def test_a_frozen_vocabulary_that_has_grown_old(look, sound: Columns, tmp_path: Path) -> None:
    old = {**sound, "extra": np.arange(ROWS) % 7}
    fields = [*FIELDS, {"name": "extra"}]
    assert look(old, fields, directory=str(tmp_path / "old")).warnings == ()
    new = {**sound, "extra": np.arange(ROWS) % 7 + 100}
    overview = look(new, fields, vocabulary_from=str(tmp_path / "old"))
    assert overview.fields[2].encoding == "frozen vocabulary"
    assert (overview.fields[2].distinct, overview.fields[2].ids) == (7, 8)
    finding = only_warning(overview)
    assert finding.text.startswith("100.0% of its values are out of vocabulary")


def test_a_split_with_another_label_rate(look, sound: Columns, rng: np.random.Generator) -> None:
    labels = sound["label"].copy()
    labels[1_000:] = rng.random(200) < 0.75
    finding = only_warning(look({**sound, "label": labels}, FIELDS))
    assert (finding.about, finding.name) == ("split", "test")
    test_rate, train_rate = labels[1_000:].mean(), labels[:800].mean()
    assert finding.text.startswith(f"its label rate is {test_rate:.2%}, train's {train_rate:.2%}, ")
    assert finding.text.endswith(
        "standard deviations apart where chance gives less than 4; check how the rows are split, "
        "for predictions will be off by as much"
    )


def test_rows_that_drift_in_time(look, rng: np.random.Generator) -> None:
    rate = np.linspace(0.1, 0.5, 4_000)
    columns = {
        "label": (rng.random(4_000) < rate).astype(int),
        "color": rng.integers(0, 5, 4_000),
        "when": np.arange(4_000),
    }
    overview = look(columns, [{"name": "color"}], split={"by": "time", "column": "when"})
    assert [finding.name for finding in overview.warnings] == ["valid", "test"]


def test_an_empty_split(look, sound: Columns) -> None:
    folds = np.where(FOLDS == "valid", "train", FOLDS)
    finding = only_warning(look({**sound, "fold": folds}, FIELDS))
    assert finding == Finding(
        "split", "valid", "has no rows; give more rows, or other shares of them"
    )


@pytest.mark.parametrize("label", [0, 1])
def test_a_split_of_one_label(look, sound: Columns, label: int) -> None:
    labels = np.where(FOLDS == "test", label, sound["label"])
    finding = only_warning(look({**sound, "label": labels}, FIELDS))
    assert finding == Finding(
        "split",
        "test",
        f"all of its 200 rows have the label {label}, so it has no AUC; check the label's column "
        "and the split",
    )


def test_a_train_split_of_one_label(look, sound: Columns) -> None:
    labels = np.where(FOLDS == "train", 0, sound["label"])
    finding = only_warning(look({**sound, "label": labels}, FIELDS))
    assert (finding.about, finding.name) == ("split", "train")


def test_a_warning_is_one_line_whatever_the_value(look, sound: Columns) -> None:
    finding = only_warning(with_field(look, sound, ["a\x1b[31m\tb" + "c" * 99] * ROWS))
    assert finding.line.isprintable()
    assert len(finding.line) < 120
