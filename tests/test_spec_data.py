"""Combinations of a field's keys: one clear line for those that mean nothing."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.spec import Spec
from pipeline.spec_data import DataSpec, FieldSpec


def refusal(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        FieldSpec(name="f", **keys)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(
    "keys",
    [
        {"encoding": "hash", "hash_rows": 3},
        {"encoding": "identity", "cardinality": 1},
        {"encoding": "file", "vocabulary_file": "a.txt", "kind": "multi_valued"},
        {"minimum_count": 4, "kind": "numeric", "binning": "log"},
        {"transform": "weekday", "encoding": "hash", "hash_rows": 9},
        {"transform": "weekday", "time_format": "%Y-%m-%d"},
        {"kind": "numeric", "binning": "quantile", "bins": 5},
        {"kind": "numeric", "binning": "log", "log_base": 3.0},
        {"kind": "multi_valued", "separator": ",", "max_length": 3, "pooling": "sum"},
    ],
)
def test_keys_that_belong_together(keys: dict[str, Any]) -> None:
    field = FieldSpec(name="f", **keys)
    assert FieldSpec.model_validate(field.model_dump(mode="json", exclude_none=True)) == field


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"encoding": "hash"}, "field 'f': hash_rows is needed by encoding = 'hash'"),
        ({"encoding": "file"}, "field 'f': vocabulary_file is needed by encoding = 'file'"),
        ({"encoding": "identity"}, "field 'f': cardinality is needed by encoding = 'identity'"),
        ({"hash_rows": 9}, "field 'f': hash_rows is for encoding = 'hash'"),
        ({"vocabulary_file": "a"}, "field 'f': vocabulary_file is for encoding = 'file'"),
        ({"cardinality": 9}, "field 'f': cardinality is for encoding = 'identity'"),
        (
            {"kind": "numeric", "encoding": "hash", "hash_rows": 9},
            "field 'f': kind 'numeric' takes no encoding = 'hash'",
        ),
        (
            {"encoding": "hash", "hash_rows": 9, "minimum_count": 2},
            "field 'f': minimum_count is for a learnt vocabulary",
        ),
        (
            {"kind": "multi_valued", "transform": "weekday"},
            "field 'f': transform is for kind = 'categorical'",
        ),
        ({"binning": "quantile", "bins": 50}, "field 'f': binning is for kind = 'numeric'"),
        ({"bins": 5}, "field 'f': bins is for kind = 'numeric' with binning = 'quantile'"),
        (
            {"kind": "numeric", "bins": 5},
            "field 'f': bins is for kind = 'numeric' with binning = 'quantile'",
        ),
        (
            {"kind": "numeric", "binning": "quantile", "log_base": 3.0},
            "field 'f': log_base is for kind = 'numeric' with binning = 'log'",
        ),
        ({"separator": ","}, "field 'f': separator is for kind = 'multi_valued'"),
        (
            {"kind": "dense", "max_length": 3},
            "field 'f': max_length is for kind = 'multi_valued'",
        ),
        ({"pooling": "sum"}, "field 'f': pooling is for kind = 'multi_valued'"),
        ({"time_format": "%Y-%m-%d"}, "field 'f': time_format is for a field with a transform"),
    ],
)
def test_keys_that_do_not(keys: dict[str, Any], message: str) -> None:
    assert refusal(**keys) == message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("separator", ""),
        ("hash_rows", 2),
        ("hash_rows", 2**31),
        ("cardinality", 0),
        ("log_base", 1.0),
        ("bins", 0),
    ],
)
def test_values_out_of_range(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        FieldSpec(name="f", **{key: value})


@pytest.mark.parametrize(
    ("time_format", "why"),
    [
        ("%Y-%m-%d %H:%m", "redefinition of group name 'm'"),
        ("%Y-%m-%d %Q", "'Q' is a bad directive"),
        ("%Y-%m-%d %", "stray %"),
        ("%G-%m", "ISO year directive '%G' must be used with"),
    ],
)
def test_a_time_format_that_reads_no_time_is_refused(time_format: str, why: str) -> None:
    message = refusal(transform="weekday", time_format=time_format)
    assert message.startswith(f"{time_format!r} is no format that Python's strptime reads: {why}")


@pytest.mark.parametrize("section", ["run", "data"])
def test_neither_a_dataset_nor_a_run_goes_to_a_url(section: str) -> None:
    values = {"run": {"directory": "a"}, "data": {"format": "criteo", "source": "s3://b/logs"}}
    values[section]["directory"] = "s3://bucket/folder"
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate(values)
    (error,) = caught.value.errors()
    assert error["loc"] == (section, "directory")
    assert error["msg"] == "Value error, a path of this machine is expected, not a URL"


def test_no_vocabulary_comes_from_a_url() -> None:
    with pytest.raises(ValidationError, match="a path of this machine is expected, not a URL"):
        DataSpec(format="criteo", source="a", vocabulary_from="s3://bucket/dataset")
    assert refusal(encoding="file", vocabulary_file="s3://bucket/words.txt") == (
        "a path of this machine is expected, not a URL"
    )


def test_no_log_is_generated_at_a_url() -> None:
    values = {"format": "criteo", "source": "s3://bucket/log.tsv", "generator": {"rows": 9}}
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate(values)
    (error,) = caught.value.errors()
    assert error["msg"] == (
        "Value error, data.generator writes to this machine: data.source is no URL then"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"splits": {"train": "a", "valid": "b", "test": "c"}},
            "data.split cannot be given along with data.splits or data.generator",
        ),
        (
            {"split": {"by": "column", "column": "t", "train": ["1"], "test": ["1"]}},
            "data.split: 1 means more than one split",
        ),
        (
            {"split": {"by": "column", "column": "t", "shares": [8, 1, 1]}},
            "data.split: shares is for by = 'time'",
        ),
        (
            {"split": {"by": "time", "column": "t", "valid": ["2"]}},
            "data.split: valid is for by = 'column'",
        ),
    ],
)
def test_settings_that_exclude_each_other(keys: dict[str, Any], message: str) -> None:
    values = {"format": "csv", "source": "a", "fields": [{"name": "f"}]}
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate({**values, "split": {"by": "time", "column": "t"}, **keys})
    (error,) = caught.value.errors()
    assert error["msg"] == f"Value error, {message}"


@pytest.mark.parametrize(
    "split",
    [
        {"split": {"by": "time", "column": "t"}},
        {"splits": {"train": "a", "valid": "b", "test": "c"}},
    ],
)
def test_ratios_are_for_a_random_split(split: dict[str, Any]) -> None:
    data = {"format": "csv", "source": "a", "fields": [{"name": "f"}], **split}
    values = {"run": {"directory": "a"}, "data": data}
    Spec.model_validate(values)
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate({**values, "prepare": {"ratios": [1, 1, 1]}})
    (error,) = caught.value.errors()
    assert error["msg"] == (
        "Value error, prepare.ratios is for a random split: remove it, or data." + next(iter(split))
    )
