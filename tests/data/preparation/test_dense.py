"""Dense fields from a log to a batch."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.console import InputError
from pipeline.data.loading.loader import Loader
from pipeline.data.manifest import read_manifest
from pipeline.data.preparation.build import build
from pipeline.spec import Spec

FIELDS = [{"name": "age", "kind": "dense"}, {"name": "color"}, {"name": "price", "kind": "dense"}]


def dense_spec(make_spec, tmp_path: Path, lines: list[str], **data: object) -> Spec:
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["label,color,age,price,fold", *lines]) + "\n")
    split = {"by": "column", "column": "fold"}
    return make_spec(format="csv", source=str(path), fields=FIELDS, split=split, **data)


LINES = [
    "1,a,10,0.5,train",
    "0,b,,1.5,train",
    "1,a,30,,valid",
    "0,a,20,-0.5,train",
    "1,b,90,2,test",
]


def test_the_scale_is_that_of_the_train_split(make_spec, tmp_path: Path) -> None:
    spec = dense_spec(make_spec, tmp_path, LINES)
    manifest = build(spec, {})
    assert manifest == read_manifest(spec.dataset_directory)
    assert [field.name for field in manifest.fields] == ["color"]
    assert [field.name for field in manifest.dense] == ["age", "price"]
    found = [(field.mean, field.deviation) for field in manifest.dense]
    assert found[0] == (15.0, 5.0)
    assert found[1] == (0.5, pytest.approx((2 / 3) ** 0.5))
    test = pq.read_table(spec.dataset_directory / "test/part-00000.parquet")
    assert test["age"].to_pylist() == [15.0]
    assert [path.name for path in (spec.dataset_directory / "vocabulary").iterdir()] == [
        "color.parquet"
    ]


def test_the_loader_yields_them_in_the_manifests_order(make_spec, tmp_path: Path) -> None:
    spec = dense_spec(make_spec, tmp_path, LINES)
    manifest = build(spec, {})
    loader = Loader(
        spec.dataset_directory,
        manifest,
        "train",
        8,
        0,
        1,
        10**6,
        None,
        ["label"],
        torch.device("cpu"),
    )
    (batch,) = loader.epoch(0)
    assert batch.features.keys() == ["color"]
    assert batch.dense is not None
    expected = [[-1, 0], [0, 1 / (2 / 3) ** 0.5], [1, -1 / (2 / 3) ** 0.5]]
    assert np.allclose(batch.dense.numpy(), expected)


def test_a_dataset_without_them_has_none(tiny_dataset: Path) -> None:
    manifest = read_manifest(tiny_dataset)
    loader = Loader(
        tiny_dataset, manifest, "train", 8, 0, 1, 10**6, None, ["label"], torch.device("cpu")
    )
    batch = next(loader.epoch(0))
    assert batch.dense is None


@pytest.mark.parametrize("value", ["x", "nan", "inf", "1e39", "-4e38"])
def test_what_is_no_number_of_float32_is_refused_or_counted(
    make_spec, tmp_path: Path, value: str
) -> None:
    lines = [*LINES, f"1,a,{value},1,train"]
    with pytest.raises(InputError) as caught:
        build(dense_spec(make_spec, tmp_path, lines), {})
    assert str(caught.value).startswith(
        f"{tmp_path}/log.csv: line 7: the dense field 'age' has {value!r}, a number of at most "
        "3.4e+38 or nothing expected; correct it"
    )
    manifest = build(dense_spec(make_spec, tmp_path, lines, bad_rows="skip"), {})
    assert manifest.rows_skipped == {"not a number of float32 in a dense field": 1}
    assert manifest.dense[0].mean == 15.0


def test_bytes_do_not_depend_on_threads_or_blocks(make_spec, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folds = rng.choice(["train", "valid", "test"], 400)
    lines = [f"{i % 2},a,{rng.normal()},{rng.normal(1e6)},{folds[i]}" for i in range(400)]
    spec = dense_spec(make_spec, tmp_path, lines)
    assert build(spec, {}, 1_000) == build(spec, {}, 7_777)
