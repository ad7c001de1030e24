"""Whole preparations with every encoding, and the words for values that have none."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data import token_table
from pipeline.data.preparation import build as build_module
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

ADVICE = '; correct it, or set data.bad_rows = "skip" to leave such rows out'


def spec_of(make_spec, tmp_path: Path, text: str, field: dict, **data: object) -> Spec:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return make_spec(
        format="csv",
        source=str(path),
        fields=[{"name": "f", **field}],
        prepare={"ratios": [1, 1e-9, 1e-9], "minimum_count": 3},
        **data,
    )


def ids(spec: Spec) -> list:
    return pq.read_table(spec.dataset_directory / "train/part-00000.parquet")["f"].to_pylist()


def test_a_field_may_have_a_minimum_count_of_its_own(make_spec, tmp_path: Path) -> None:
    text = "label,f\n1,a\n0,b\n1,b\n"
    for keys, expected in (({}, [0, 0, 0]), ({"minimum_count": 2}, [0, 1, 1])):
        spec = spec_of(make_spec, tmp_path, text, keys)
        build(spec, {})
        assert ids(spec) == expected


def test_hashed_ids_do_not_need_a_minimum_count(make_spec, tmp_path: Path) -> None:
    field = {"encoding": "hash", "hash_rows": 1_000}
    spec = spec_of(make_spec, tmp_path, "label,f\n1,a\n0,\n1,a\n", field)
    manifest = build(spec, {})
    assert manifest.fields[0].cardinality == 1_000
    first, missing, again = ids(spec)
    assert missing == 1
    assert first == again > 1


@pytest.mark.parametrize("separator", [None, "|"])
def test_ids_out_of_range_are_refused_or_counted(
    make_spec, tmp_path: Path, separator: str | None
) -> None:
    field = {"encoding": "identity", "cardinality": 5}
    if separator:
        field |= {"kind": "multi_valued", "separator": separator}
    bad = "1|5" if separator else "5"
    text = f"label,f\n1,4\n0,{bad}\n1,-1\n1,2.0\n1,99999999999999999999\n0,\n"
    spec = spec_of(make_spec, tmp_path, text, field)
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: line 3: the field 'f' has {bad!r}, an id from 0 to 4 or nothing "
        f"expected{ADVICE}"
    )
    skipping = spec_of(make_spec, tmp_path, text, field, bad_rows="skip")
    manifest = build(skipping, {})
    assert manifest.rows_skipped == {"id out of range": 4}
    assert manifest.fields[0].cardinality == 6
    assert ids(skipping) == ([[4], [5]] if separator else [4, 5])


def test_times_that_cannot_be_read_are_refused_or_counted(make_spec, tmp_path: Path) -> None:
    field = {"transform": "weekday"}
    text = "label,f\n1,14102100\n0,14102125\n"
    with pytest.raises(InputError) as caught:
        build(spec_of(make_spec, tmp_path, text, field), {})
    assert str(caught.value) == (
        f"{tmp_path}/log.csv: line 3: the field 'f' has '14102125', a time as %y%m%d%H or nothing "
        f"expected{ADVICE}"
    )
    manifest = build(spec_of(make_spec, tmp_path, text, field, bad_rows="skip"), {})
    assert manifest.rows_skipped == {"not a time": 1}


def test_a_given_vocabulary_is_used_as_it_is(make_spec, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("b\nunseen\na\n")
    field = {"encoding": "file", "vocabulary_file": str(tmp_path / "tokens.txt")}
    spec = spec_of(make_spec, tmp_path, "label,f\n1,a\n0,new\n1,b\n0,\n", field)
    assert build(spec, {}).fields[0].cardinality == 5
    assert ids(spec) == [3, 0, 1, 4]


def test_a_bad_vocabulary_file_is_refused_before_the_log_is_read(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens.txt").write_text("a\nb\na\n")
    field = {"encoding": "file", "vocabulary_file": str(tmp_path / "tokens.txt")}
    spec = spec_of(make_spec, tmp_path, "label,f\n1,a\n0,b\n", field)
    monkeypatch.setattr(build_module, "open_sources", lambda *_: pytest.fail("not reached"))
    with pytest.raises(InputError, match="the token 'a' is there more than once"):
        build(spec, {})


def test_a_field_of_more_text_than_arrow_holds_is_named(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_table, "LARGEST_TEXT", 99)
    text = "label,f\n" + "".join(f"1,{row:05}\n" for row in range(20))
    with pytest.raises(InputError) as caught:
        build(spec_of(make_spec, tmp_path, text, {}), {}, 40)
    assert str(caught.value) == (
        "field 'f': 100 bytes of distinct tokens, too many to learn a vocabulary from; set its "
        'encoding = "hash" and hash_rows'
    )
    build(spec_of(make_spec, tmp_path, text, {"encoding": "hash", "hash_rows": 9}), {}, 40)


@pytest.mark.parametrize("binning", ["quantile", "log_square"])
def test_a_numeric_field_of_too_much_text_is_told_what_it_can_have(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binning: str
) -> None:
    monkeypatch.setattr(token_table, "LARGEST_TEXT", 99)
    text = "label,f\n" + "".join(f"1,-{row:05}\n" for row in range(10_000, 10_040))
    numeric = {"kind": "numeric", "binning": binning}
    with pytest.raises(InputError) as caught:
        build(spec_of(make_spec, tmp_path, text, numeric), {}, 40)
    assert str(caught.value).endswith(
        "bytes of distinct tokens, too many to learn a vocabulary from; set its "
        'binning = "log", or its kind = "dense"'
    )
    build(spec_of(make_spec, tmp_path, text, numeric | {"binning": "log"}), {}, 40)
