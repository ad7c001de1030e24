"""Advice on the base run beside what larger models made of it, from results that are made up."""

from dataclasses import replace

import pytest
from study_cases import StudyMaker, finished

from pipeline.spec_study import StudySpec
from pipeline.study.advice import Verdict, is_gain, verdicts_of
from pipeline.study.page import render
from pipeline.study.results import Entry, entries_of
from pipeline.study.significance import Comparison
from pipeline.study.tables import markdown

BASE = (0.800, 0.802)
LEVEL, UP, HIGHER = (0.8001, 0.8021), (0.810, 0.8121), (0.820, 0.8222)
# Three hundredths more on average, and p = 0.37.
SCATTERED = (0.801, 0.862)


def entries(
    study: StudySpec, advice: str | None, wider: tuple[float, ...], sets: tuple[float, ...]
) -> list[Entry]:
    aucs = {
        f"dcnv2-{name}-seed{seed}": values[seed]
        for name, values in (("single-1x", BASE), ("single-4x", wider), ("multi-4x", sets))
        for seed in range(len(values))
    }
    return entries_of(study, [replace(one, advice=advice) for one in finished(study, aucs)])


def verdict(study: StudySpec, advice: str, *aucs: tuple[float, ...]) -> Verdict:
    (found,) = verdicts_of(entries(study, advice, *aucs))
    return found


@pytest.mark.parametrize(
    ("advice", "wider", "sets", "outcome"),
    [
        ("more sets", LEVEL, UP, "right"),
        ("more sets", UP, UP, "right"),
        ("more sets", HIGHER, UP, "partly right"),
        ("more sets", UP, LEVEL, "wrong"),
        ("nothing", LEVEL, LEVEL, "right"),
        ("nothing", LEVEL, UP, "wrong"),
        ("nothing", UP, LEVEL, "partly right"),
        ("nothing", UP, UP, "partly right"),
        ("nothing", HIGHER, UP, "partly right"),
        ("nothing", UP, HIGHER, "wrong"),
        ("fewer dimensions", LEVEL, LEVEL, "right"),
        ("fewer dimensions", UP, LEVEL, "wrong"),
        ("nothing", SCATTERED, LEVEL, "not sure"),
        ("nothing", LEVEL, SCATTERED, "not sure"),
        ("fewer dimensions", SCATTERED, SCATTERED, "not sure"),
        ("more sets", LEVEL, SCATTERED, "not sure"),
        ("fewer sets", UP, UP, "not tried"),
    ],
)
def test_advice_is_right_where_following_it_would_have_helped(
    make_study: StudyMaker,
    advice: str,
    wider: tuple[float, ...],
    sets: tuple[float, ...],
    outcome: str,
) -> None:
    found = verdict(make_study(), advice, wider, sets)
    assert (found.advice, found.factor, found.outcome) == (advice, 4, outcome)


def test_a_verdict_holds_what_the_larger_models_gained(make_study: StudyMaker) -> None:
    found = verdict(make_study(), "nothing", UP, HIGHER)
    assert found.wider.difference == pytest.approx(0.01005)
    assert found.more_sets.difference == pytest.approx(0.0201)
    assert found.sets_over_wider.difference == pytest.approx(0.01005)


@pytest.mark.parametrize(
    ("comparison", "gains"),
    [
        (Comparison(0.002, None, None, 1), True),
        (Comparison(0.0009, None, None, 1), False),
        (Comparison(0.002, 0.001, 0.04, 3), True),
        (Comparison(0.002, 0.001, 0.06, 3), False),
        (Comparison(-0.002, 0.001, 0.04, 3), False),
    ],
)
def test_a_gain_is_noticeable_and_sure(comparison: Comparison, gains: bool) -> None:
    assert is_gain(comparison) is gains


def test_the_advice_is_that_of_most_seeds(make_study: StudyMaker) -> None:
    study = make_study(grid={"interactions": ["dcnv2"], "factors": [1, 4], "seeds": [0, 1, 2]})
    aucs = {
        f"dcnv2-{name}-seed{seed}": 0.8
        for name in ("single-1x", "single-4x", "multi-4x")
        for seed in (0, 1, 2)
    }
    advice = ["nothing", "more sets", "more sets"]
    results = [replace(one, advice=advice[one.cell.seed]) for one in finished(study, aucs)]
    (found,) = verdicts_of(entries_of(study, results))
    assert (found.advice, found.agreeing) == ("more sets", 2)


def test_without_advice_or_larger_models_there_is_no_verdict(make_study: StudyMaker) -> None:
    study = make_study()
    assert verdicts_of(entries(study, None, UP, UP)) == []
    assert verdicts_of(entries(study, "nothing", UP, ())) == []
    assert verdicts_of(entries(study, "nothing", (), UP)) == []


def test_variants_of_the_same_data_have_no_advice_of_their_own(make_study: StudyMaker) -> None:
    variants = [{"name": "long", "overrides": ["train.epochs=9"]}]
    study = make_study(variants=variants)
    aucs = {
        f"dcnv2{variant}-{name}-seed0": 0.8
        for variant in ("", "-long")
        for name in ("single-1x", "single-4x", "multi-4x")
    }
    results = [replace(one, advice="nothing") for one in finished(study, aucs)]
    (found,) = verdicts_of(entries_of(study, results))
    assert found.base.row.variant == ""


def test_tables_and_page_say_whether_the_advice_was_right(make_study: StudyMaker) -> None:
    study = make_study()
    found = entries(study, "more sets", HIGHER, UP)
    text = markdown(study, found, (), "command")
    (line,) = [one for one in text.splitlines() if one.endswith("| partly right |")]
    assert line.startswith("| dcnv2 | more sets | 2 of 2 | 4x | +0.02010 (")
    results = [result for entry in found for result in entry.results]
    page = render(study, found, results, [], 6)
    assert '<td class="text">partly right</td>' in page
