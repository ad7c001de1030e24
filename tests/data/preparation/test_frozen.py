"""The encodings of one dataset used for another log."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.data.preparation import build as build_module
from pipeline.data.preparation.build import build
from pipeline.data.preparation.unchanged import unchanged
from pipeline.spec import Spec

FIELDS = [
    {"name": "color"},
    {"name": "price", "kind": "numeric", "binning": "quantile", "bins": 4},
    {"name": "tags", "kind": "multi_valued"},
    {"name": "shop", "encoding": "hash", "hash_rows": 50},
    {"name": "slot", "encoding": "identity", "cardinality": 9},
    {"name": "age", "kind": "dense"},
]
HEADER = "label,color,price,tags,shop,slot,age\n"
OLD = [f"{i % 2},c{i % 3},{i},t{i % 4}|t{i % 5},s{i},{i % 9},{i}\n" for i in range(40)]
NEW = ["1,c1,-5,t1|new,s77,8,39\n", "0,unseen,11,,s3,,\n", "1,,1000,t4,,0,0\n"]


def log_spec(make_spec, folder: Path, name: str, lines: list[str], **data: object) -> Spec:
    path = folder / f"{name}.csv"
    path.write_text(HEADER + "".join(lines))
    settings = {"fields": FIELDS, **data}
    return make_spec(
        format="csv",
        source=str(path),
        directory=str(folder / name),
        prepare={"ratios": [1, 1e-9, 1e-9], "minimum_count": 2},
        **settings,
    )


@pytest.fixture
def old(make_spec, tmp_path: Path) -> Spec:
    spec = log_spec(make_spec, tmp_path, "old", OLD)
    build(spec, {})
    return spec


def rows(spec: Spec) -> list[dict]:
    return pq.read_table(spec.dataset_directory / "train/part-00000.parquet").to_pylist()


def test_the_same_rows_have_the_same_ids_again(make_spec, tmp_path: Path, old: Spec) -> None:
    some = log_spec(
        make_spec, tmp_path, "some", OLD[::3], vocabulary_from=str(old.dataset_directory)
    )
    manifest = build(some, {})
    assert rows(some) == rows(old)[::3]
    assert manifest.vocabulary == "frozen"
    learnt = build(log_spec(make_spec, tmp_path, "learnt", OLD), {})
    assert [replace(field, distinct=0) for field in manifest.fields] == [
        replace(field, distinct=0) for field in learnt.fields
    ]
    # What was seen is that of the rows which are here.
    assert [field.distinct for field in manifest.fields] == [1, 14, 5, None, 3]
    assert manifest.dense == learnt.dense


def test_unseen_tokens_have_id_0_and_counts_are_those_of_the_new_rows(
    make_spec, tmp_path: Path, old: Spec
) -> None:
    new = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=str(old.dataset_directory))
    build(new, {})
    found = rows(new)
    assert [row["color"] for row in found][1:] == [0, 0]
    assert found[0]["tags"][1] == 0
    assert [row["slot"] for row in found] == [8, 9, 0]
    color = pq.read_table(new.dataset_directory / "vocabulary/color.parquet")
    assert sum(color["count"].to_pylist()) == 3
    assert color["count"][0].as_py() == 2
    price = pq.read_table(new.dataset_directory / "vocabulary/price.parquet")["token"].to_pylist()
    tokens = [price[row["price"]] for row in found]
    assert tokens == ["[-inf, 10)", "[10, 20)", "[30, inf)"]


def test_it_is_prepared_again_when_the_dataset_before_changes(
    make_spec, tmp_path: Path, old: Spec
) -> None:
    new = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=str(old.dataset_directory))
    build(new, {})
    assert unchanged(new) is not None
    build(log_spec(make_spec, tmp_path, "old", OLD[1:]), {})
    assert unchanged(new) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIELDS[:5], "has the fields color, price, tags, shop, slot, age; the spec has color"),
        (
            [*FIELDS[:3], {**FIELDS[3], "hash_rows": 51}, *FIELDS[4:]],
            "has field 'shop' as 'categorical hash 50'; the spec has 'categorical hash 51'",
        ),
        (
            [FIELDS[0], {"name": "price", "kind": "numeric"}, *FIELDS[2:]],
            "has field 'price' as 'numeric quantile 4'; the spec has 'numeric log_square'",
        ),
    ],
)
def test_fields_that_differ_are_refused_before_the_log_is_read(
    make_spec,
    tmp_path: Path,
    old: Spec,
    fields: list[dict],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = str(old.dataset_directory)
    spec = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=frozen, fields=fields)
    monkeypatch.setattr(build_module, "open_sources", lambda *_: pytest.fail("not reached"))
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value).startswith(f"{frozen}: data.vocabulary_from {message}")


@pytest.mark.parametrize("named", ["dataset", "other/../dataset", "link"])
@pytest.mark.parametrize("run", [unchanged, lambda spec: build(spec, {})])
def test_a_dataset_does_not_take_the_place_of_the_one_it_has_its_vocabularies_from(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, run
) -> None:
    # The dataset of a spec that names no directory for it stands in the run's.
    log = {"format": "csv", "source": str(tmp_path / "log.csv"), "fields": FIELDS}
    (tmp_path / "log.csv").write_text(HEADER + "".join(OLD))
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("dataset")
    first = build(make_spec(**log), {})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        run(make_spec(vocabulary_from=named, **log))
    assert str(caught.value) == (
        f"data.vocabulary_from: {named} is where the new dataset goes, which would take its "
        "place; set data.directory to another path"
    )
    assert read_manifest(tmp_path / "dataset") == first


def test_a_dataset_that_is_replaced_while_the_log_is_read_is_refused(
    make_spec, tmp_path: Path, old: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = str(old.dataset_directory)
    new = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=frozen)
    read_sources = build_module.read_sources

    def read_while_it_is_replaced(*given: object) -> object:
        read = read_sources(*given)
        monkeypatch.setattr(build_module, "read_sources", read_sources)
        build(log_spec(make_spec, tmp_path, "old", OLD[1:]), {})
        return read

    monkeypatch.setattr(build_module, "read_sources", read_while_it_is_replaced)
    with pytest.raises(InputError) as caught:
        build(new, {})
    assert str(caught.value) == (
        f"{frozen}/vocabulary/color.parquet: not the file that the manifest names: it was changed, "
        "or the dataset was replaced during this run; start again, and if this is said again, "
        f"prepare {frozen} again"
    )
    assert build(new, {}).vocabulary == "frozen"


@pytest.mark.parametrize("content", [None, b"no Parquet", b""])
def test_a_vocabulary_that_is_not_the_manifests_is_refused(
    make_spec, tmp_path: Path, old: Spec, content: bytes | None
) -> None:
    path = old.dataset_directory / "vocabulary/color.parquet"
    table = pq.read_table(path)
    if content is None:
        pq.write_table(table.take([0, 2, 1, *range(3, len(table))]), path)
    else:
        path.write_bytes(content)
    new = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=str(old.dataset_directory))
    with pytest.raises(InputError, match=r"color\.parquet: not the file that the manifest names"):
        build(new, {})


def test_a_vocabulary_file_that_is_replaced_during_a_run_is_refused(
    csv_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "colors.txt"
    path.write_text("red\nblue\n")
    fields = [{"name": "color", "encoding": "file", "vocabulary_file": str(path)}]
    spec = csv_spec(b"label,color,size\n1,red,2\n0,blue,3\n", fields=fields)
    learn = build_module._learn

    def learn_while_it_is_replaced(*given: object) -> object:
        learnt = learn(*given)
        path.write_text("blue\nred\n")
        return learnt

    monkeypatch.setattr(build_module, "_learn", learn_while_it_is_replaced)
    with pytest.raises(InputError) as caught:
        build(spec, {})
    assert str(caught.value) == (
        "data: a vocabulary_file, or the dataset of vocabulary_from, was replaced during this run; "
        "start again"
    )


def test_a_directory_that_is_no_dataset_is_refused(make_spec, tmp_path: Path) -> None:
    spec = log_spec(make_spec, tmp_path, "new", NEW, vocabulary_from=str(tmp_path))
    with pytest.raises(InputError, match="not a whole dataset directory"):
        build(spec, {})
