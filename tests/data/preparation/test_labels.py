"""Logs with several labels: clicks and conversions, say."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

from pipeline import prepare
from pipeline.console import InputError
from pipeline.data.loading.loader import Loader
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.data.preparation.build import build
from pipeline.data.preparation.verification import find_faults
from pipeline.spec import Spec
from pipeline.spec_data import DataSpec
from pipeline.spec_file import load_spec, to_toml

# Every third row is a click, every sixth a conversion, and 9 rows in 60 a share.
ROWS = [
    {"user": row % 7, "click": int(row % 3 == 0), "buy": int(row % 6 == 0), "share": int(row > 50)}
    for row in range(60)
]
SPLITS = {"train": slice(0, 30), "valid": slice(30, 45), "test": slice(45, 60)}
MakeSpec = Callable[..., Spec]


@pytest.fixture
def two_labels(tmp_path: Path) -> MakeSpec:
    """Writes the log in a format, a file a split, and returns the spec that prepares it."""

    def make(
        file_format: str = "csv", rows: list[dict[str, object]] = ROWS, **data: object
    ) -> Spec:
        for name, of_split in SPLITS.items():
            table = pa.Table.from_pylist(rows[of_split])
            if file_format == "parquet":
                pq.write_table(table, tmp_path / f"{name}.parquet")
            else:
                pa.csv.write_csv(table, tmp_path / f"{name}.csv")
        values = {
            "format": file_format,
            "source": str(tmp_path),
            "directory": str(tmp_path / "dataset"),
            "label": ["click", "buy"],
            "fields": [{"name": "user"}],
            "splits": {name: f"{name}.{file_format}" for name in SPLITS},
        }
        section = {**values, **data}
        return Spec.model_validate({"run": {"directory": str(tmp_path)}, "data": section})

    return make


def positives(label: str) -> dict[str, int]:
    return {name: sum(row[label] for row in ROWS[of]) for name, of in SPLITS.items()}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_parts_have_a_column_a_label_and_the_manifest_their_positives(
    two_labels: MakeSpec, file_format: str, tmp_path: Path
) -> None:
    build(two_labels(file_format), {})
    manifest = read_manifest(tmp_path / "dataset")
    assert manifest.labels == ("click", "buy")
    for name, of_split in SPLITS.items():
        (part,) = manifest.splits[name].parts
        table = pq.read_table(tmp_path / "dataset" / part.file)
        assert table.schema.names == ["user", "click", "buy"]
        for label in manifest.labels:
            assert table.schema.field(label).type == pa.float32()
            assert table[label].to_pylist() == [row[label] for row in ROWS[of_split]]
            assert manifest.splits[name].positives[label] == positives(label)[name]


def loaded(manifest: Manifest, directory: Path, labels: list[str]) -> list[list[float]]:
    loader = Loader(directory, manifest, "train", 8, 0, 1, 10, None, labels, torch.device("cpu"))
    batches = [batch.labels for batch in loader.epoch(0)]
    return [[value for batch in batches for value in batch[t].tolist()] for t in range(len(labels))]


@pytest.mark.parametrize("labels", [["click"], ["buy"], ["buy", "click"]])
def test_the_loader_reads_the_labels_that_it_is_asked_for(
    two_labels: MakeSpec, labels: list[str], tmp_path: Path
) -> None:
    spec = two_labels()
    values = spec.model_dump()
    values["prepare"]["part_rows"] = 7
    manifest = build(Spec.model_validate(values), {})
    expected = [[row[label] for row in ROWS[SPLITS["train"]]] for label in labels]
    assert loaded(manifest, tmp_path / "dataset", labels) == expected


def test_one_label_is_listed_by_its_columns_name(two_labels: MakeSpec, tmp_path: Path) -> None:
    manifest = build(two_labels(label="buy"), {})
    assert manifest.labels == ("buy",)
    assert manifest.splits["train"].positives == {"buy": positives("buy")["train"]}
    table = pq.read_table(tmp_path / "dataset" / manifest.splits["train"].parts[0].file)
    assert table.schema.names == ["user", "buy"]


def test_a_bad_value_is_named_with_its_label(two_labels: MakeSpec) -> None:
    rows = [dict(row) for row in ROWS]
    rows[4]["buy"] = 2
    spec = two_labels(rows=rows)
    with pytest.raises(InputError, match=r"train\.csv: line 6: the label 'buy' is '2', 0 or 1 exp"):
        build(spec, {})
    manifest = build(two_labels(rows=rows, bad_rows="skip"), {})
    assert manifest.rows_skipped == {"label is not 0 or 1": 1}
    assert manifest.splits["train"].rows == 29
    # The row that was left out is no click and no conversion.
    assert manifest.splits["train"].positives["click"] == positives("click")["train"]


def test_an_absent_label_is_named(two_labels: MakeSpec) -> None:
    with pytest.raises(InputError, match="no column 'bought'"):
        build(two_labels(label=["click", "bought"]), {})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"name": "action", "column": "buy"}, "is read from the label's column 'buy'"),
        ({"name": "buy", "column": "share"}, "'buy' names the label's column; rename the field"),
    ],
)
def test_no_field_may_be_a_label(two_labels: MakeSpec, field: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(two_labels(fields=[{"name": "user"}, field]), {})


def test_other_labels_make_another_dataset(two_labels: MakeSpec) -> None:
    first = build(two_labels(), {})
    assert build(two_labels(), {}).digest == first.digest
    other = build(two_labels(label=["buy", "click"]), {})
    assert other.spec_digest != first.spec_digest
    assert other.digest != first.digest


def test_verification_counts_each_label(two_labels: MakeSpec, tmp_path: Path) -> None:
    spec = two_labels()
    build(spec, {})
    assert find_faults(spec) == []
    path = tmp_path / "dataset" / "manifest.json"
    values = json.loads(path.read_text())
    values["splits"]["valid"]["positives"]["buy"] = 9
    path.write_text(json.dumps(values))
    (fault,) = find_faults(spec)
    assert fault.endswith(
        "15 rows with 5 click, 3 buy positive, the manifest says 15 with 5 click, 9 buy"
    )


def test_the_summary_has_the_rate_of_each_label(
    two_labels: MakeSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(two_labels()))
    assert load_spec(path).data.labels == ("click", "buy")
    prepare.main([str(path)])
    assert "30 rows, 33.33% click, 16.67% buy" in capsys.readouterr().out


class TestSpec:
    def test_a_label_is_a_column_or_several(self) -> None:
        section = {"format": "csv", "source": "x", "fields": [{"name": "a"}]}
        assert DataSpec.model_validate(section).labels == ("label",)
        assert DataSpec.model_validate({**section, "label": "y"}).labels == ("y",)
        assert DataSpec.model_validate({**section, "label": ["y", "z"]}).labels == ("y", "z")

    @pytest.mark.parametrize("label", [[], "", [""], 3, [3], None])
    def test_and_nothing_else(self, label: object) -> None:
        section = {"format": "csv", "source": "x", "fields": [{"name": "a"}], "label": label}
        with pytest.raises(ValidationError, match="a column is expected, or a list of them"):
            DataSpec.model_validate(section)

    def test_is_named_once(self) -> None:
        section = {"format": "csv", "source": "x", "fields": [{"name": "a"}], "label": ["y", "y"]}
        with pytest.raises(ValidationError, match=r"data\.label names a column more than once"):
            DataSpec.model_validate(section)

    def test_known_formats_have_one_of_their_own(self) -> None:
        section = {"format": "criteo", "source": "x", "label": ["click", "buy"]}
        with pytest.raises(ValidationError, match="format 'criteo' has one label, its own"):
            DataSpec.model_validate(section)


def test_the_overview_is_of_the_first_label(two_labels: MakeSpec, tmp_path: Path) -> None:
    build(two_labels(label=["buy", "click"]), {})
    overview = json.loads((tmp_path / "dataset" / "overview.json").read_text())
    assert overview["label"] == "buy"
    assert {n: s["positives"] for n, s in overview["splits"].items()} == positives("buy")
    assert "rows with buy = 1" in (tmp_path / "dataset" / "overview.html").read_text()
