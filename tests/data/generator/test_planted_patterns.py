"""The planted patterns: their pairs, their equal parts, and that only pairs tell a click."""

import csv
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.generator.click_model import ClickModel, PairNames
from pipeline.data.generator.generate import generate
from pipeline.data.generator.planted_interactions import PATTERNS
from pipeline.data.generator.planted_patterns import planted_model, planted_pairs
from pipeline.metrics.auc import auc
from pipeline.spec_data import DataSpec
from pipeline.spec_generator import GeneratorSpec, PlantedSpec

SIZES = (4, 19, 300, 86, 40, 634)
ROWS = 40_000


def spec_of(**changes: object) -> GeneratorSpec:
    planted = {"cardinalities": SIZES, "patterns": 3, "factors": 6, "rank": 2, **changes}
    return GeneratorSpec(rows=ROWS, seed=5, planted=PlantedSpec.model_validate(planted))


def model_of(spec: GeneratorSpec) -> ClickModel:
    assert spec.planted is not None
    return planted_model(spec.planted, spec.seed)


def names(pairs: PairNames) -> list[list[frozenset[str]]]:
    return [[frozenset(pair) for pair in pattern] for pattern in pairs]


def draw(model: ClickModel, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Tokens, labels and probabilities of rows."""
    random = np.random.default_rng(seed)
    tokens = {field.name: field.tokens(random.random(ROWS)) for field in model.planted}
    probabilities = model.probabilities(tokens)
    return tokens, (random.random(ROWS) < probabilities).astype(np.uint8), probabilities


def rates(ids: np.ndarray, labels: np.ndarray, half: int) -> np.ndarray:
    """The log odds of a click by id, learnt on the first half of the rows."""
    shown = np.bincount(ids[:half], minlength=ids.max() + 1)
    clicked = np.bincount(ids[:half], labels[:half], minlength=ids.max() + 1)
    rate = (clicked + 25 * labels.mean()) / (shown + 25)
    return np.log(rate / (1 - rate))[ids]


@given(fields=st.integers(2, 15), seed=st.integers(0, 2**32), data=st.data())
def test_a_pattern_pairs_off_all_fields_and_no_two_fields_meet_twice(
    fields: int, seed: int, data: st.DataObject
) -> None:
    patterns = data.draw(st.integers(1, fields - 1 if fields % 2 == 0 else fields))
    planted = PlantedSpec(cardinalities=(9,) * fields, patterns=patterns)
    found = planted_pairs(GeneratorSpec(seed=seed, planted=planted))
    assert len(found) == patterns
    for pairs in found:
        assert len(pairs) == fields // 2
        assert len(set(chain.from_iterable(pairs))) == 2 * len(pairs)
        assert set(chain.from_iterable(pairs)) <= {f"C{number}" for number in range(1, fields + 1)}
    met = list(chain.from_iterable(names(found)))
    assert len(set(met)) == len(met)


def test_fewer_patterns_are_the_first_of_more() -> None:
    assert planted_pairs(spec_of(patterns=2)) == planted_pairs(spec_of(patterns=5))[:2]


def test_the_pairs_told_are_those_of_the_click_model() -> None:
    model = model_of(spec_of())
    told = planted_pairs(spec_of())
    assert told == tuple(tuple(pair.fields for pair in pattern) for pattern in model.patterns)
    assert planted_pairs(GeneratorSpec()) == PATTERNS


@pytest.mark.parametrize("patterns", [1, 4])
def test_every_pair_has_an_equal_part_in_a_logit_of_the_given_strength(patterns: int) -> None:
    model = model_of(spec_of(patterns=patterns, strength=1.3))
    shares = {field.name: field.shares for field in model.planted}
    total = 0.0
    for pair in chain.from_iterable(model.patterns):
        # Over all values of both fields, each met as often as independent fields meet.
        products = pair.left @ pair.right.T
        chance = np.outer(*(shares[name] for name in pair.fields))
        assert np.sum(chance * products) == pytest.approx(0, abs=1e-9)
        assert np.sum(chance * products**2) == pytest.approx(1)
        total += model.strength**2
    assert total == pytest.approx(1.3**2)


def test_a_pair_relates_as_many_factors_as_its_rank() -> None:
    for pair in chain.from_iterable(model_of(spec_of(rank=3)).patterns):
        sizes = [len(matrix) - 1 for matrix in (pair.left, pair.right)]
        assert np.linalg.matrix_rank(pair.left @ pair.right.T) == min(3, min(sizes) - 1)


@pytest.mark.parametrize(("factors", "rank"), [(2, 2), (4, 4), (6, 6)])
def test_patterns_read_other_factors_until_all_are_in_use(factors: int, rank: int) -> None:
    model = model_of(spec_of(factors=factors))
    read = [pair for pair in chain.from_iterable(model.patterns) if "C6" in pair.fields]
    sides = [pair.left if pair.fields[0] == "C6" else pair.right for pair in read]
    assert len(sides) == 3
    # The row of missing values, which do not occur, is left out.
    assert np.linalg.matrix_rank(np.hstack(sides)[1:]) == rank


def test_relations_of_pairs_differ_where_they_relate_the_same_factors() -> None:
    model = model_of(spec_of(factors=2))
    lefts = [pair.left for pair in chain.from_iterable(model.patterns) if "C1" in pair.fields]
    assert len(lefts) == 3
    assert not any(np.allclose(a, b) for a, b in combinations(lefts, 2))


@pytest.mark.parametrize("patterns", [1, 4])
def test_pairs_tell_a_click_and_single_fields_do_not(patterns: int) -> None:
    model = model_of(spec_of(patterns=patterns))
    tokens, labels, probabilities = draw(model)
    half = ROWS // 2
    alone = np.sum([rates(ids, labels, half) for ids in tokens.values()], axis=0)
    together = np.zeros(ROWS)
    for pair in chain.from_iterable(model.patterns):
        first, second = (tokens[name] for name in pair.fields)
        _, ids = np.unique(first * 1000 + second, return_inverse=True)
        together += rates(ids, labels, half)
    oracle = auc(labels[half:], probabilities[half:])
    assert 0.75 < oracle < 0.85
    assert auc(labels[half:], alone[half:]) < 0.57
    assert auc(labels[half:], together[half:]) > 0.5 + 0.5 * (oracle - 0.5)


def test_the_log_is_a_csv_file_with_a_header_and_rows_do_not_depend_on_its_length(
    tmp_path: Path,
) -> None:
    spec = spec_of().model_copy(update={"rows": 500})
    made = generate(tmp_path / "log.csv", spec)
    shorter = generate(tmp_path / "short.csv", spec.model_copy(update={"rows": 90}), block_rows=40)
    with (tmp_path / "log.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["label", "C1", "C2", "C3", "C4", "C5", "C6"]
    assert [int(row[0]) for row in rows] == made.labels.tolist()
    assert len({row[1] for row in rows}) == SIZES[0]
    assert (tmp_path / "log.csv").read_text().startswith((tmp_path / "short.csv").read_text())
    assert np.array_equal(shorter.probabilities, made.probabilities[:90])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patterns": 6}, "6 fields have room for 5 patterns without common pairs"),
        ({"factors": 5}, "factors is a multiple of rank"),
        ({"cardinalities": (4,)}, "at least 2 items"),
        ({"cardinalities": (4, 1 << 20)}, "less than 1048576"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(**changes)


def test_patterns_are_written_as_csv_alone() -> None:
    with pytest.raises(ValueError, match=r"set data\.format to 'csv'"):
        DataSpec(format="criteo", source="log.csv", generator=spec_of())
