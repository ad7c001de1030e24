"""The laws of the loader, on a real dataset directory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.console import InputError
from pipeline.data.batch import Batch
from pipeline.data.loading.loader import Loader
from pipeline.data.manifest import Split, read_manifest
from pipeline.data.parts import read_part

SEED = 3
CPU = torch.device("cpu")


def loader(
    directory: Path,
    *,
    split: str = "train",
    batch_size: int = 128,
    rank: int = 0,
    world_size: int = 1,
    window_rows: int = 700,
    seed: int | None = SEED,
) -> Loader:
    manifest = read_manifest(directory)
    sizes = (batch_size, rank, world_size, window_rows)
    return Loader(directory, manifest, split, *sizes, seed, manifest.labels, CPU)


def row_texts(batch: Batch, real_only: bool = True) -> list[str]:
    """One text a row: its label and the ids of every field."""
    columns = []
    for jagged in batch.features.to_dict().values():
        columns.append(torch.split(jagged.values(), jagged.lengths().tolist()))
    labels, weights = batch.labels[0].tolist(), batch.weights.tolist()
    return [
        f"{labels[row]} {[column[row].tolist() for column in columns]}"
        for row in range(len(labels))
        if weights[row] > 0 or not real_only
    ]


def file_rows(directory: Path, split: str = "train") -> list[str]:
    """The same texts, read through the Parquet files' own Python lists."""
    manifest = read_manifest(directory)
    texts = []
    for part in manifest.splits[split].parts:
        table = read_part(directory, part, manifest.fields, manifest.labels, check=True)
        for row in table.to_pylist():
            label = row.pop("label")
            ids = [value if isinstance(value, list) else [value] for value in row.values()]
            texts.append(f"{label} {ids}")
    return texts


@pytest.mark.parametrize("window_rows", [1, 700, 10_000])
@pytest.mark.parametrize("batch_size", [1, 77, 128, 5_000])
def test_an_epoch_yields_every_row_once(
    tiny_dataset: Path, window_rows: int, batch_size: int
) -> None:
    reader = loader(tiny_dataset, window_rows=window_rows, batch_size=batch_size)
    rows = [text for batch in reader.epoch(0) for text in row_texts(batch)]
    assert sorted(rows) == sorted(file_rows(tiny_dataset))


def test_without_a_shuffle_the_rows_come_in_the_files_order(tiny_dataset: Path) -> None:
    rows = [t for batch in loader(tiny_dataset, seed=None).epoch(0) for t in row_texts(batch)]
    assert rows == file_rows(tiny_dataset)


def test_no_batch_is_a_small_rest(tiny_dataset: Path) -> None:
    sizes = [len(batch.weights) for batch in loader(tiny_dataset, batch_size=150).epoch(0)]
    assert sum(sizes) == 1_600
    assert len(sizes) == loader(tiny_dataset, batch_size=150).batches_per_epoch == 12
    assert set(sizes) == {128, 136}


@pytest.mark.parametrize("window_rows", [250, 700, 10_000])
@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_global_batches_do_not_depend_on_the_number_of_ranks(
    tiny_dataset: Path, world_size: int, window_rows: int
) -> None:
    alone = loader(tiny_dataset, batch_size=97, window_rows=window_rows).epoch(1)
    ranks = [
        loader(
            tiny_dataset, batch_size=97, rank=r, world_size=world_size, window_rows=window_rows
        ).epoch(1)
        for r in range(world_size)
    ]
    for expected, *slices in zip(alone, *ranks, strict=True):
        assert row_texts(expected) == [text for part in slices for text in row_texts(part)]
        assert len({len(part.weights) for part in slices}) == 1


@pytest.mark.parametrize("world_size", [1, 2, 3, 64])
def test_the_ranks_mean_of_weighted_losses_is_the_mean_loss(
    tiny_dataset: Path, world_size: int
) -> None:
    def loss(batch: Batch) -> np.ndarray:
        return batch.labels[0].numpy().astype(np.float64) + batch.features["large"].values().numpy()

    alone = loader(tiny_dataset, split="test", batch_size=33).epoch(0)
    ranks = [
        loader(tiny_dataset, split="test", batch_size=33, rank=r, world_size=world_size).epoch(0)
        for r in range(world_size)
    ]
    for expected, *slices in zip(alone, *ranks, strict=True):
        means = [np.mean(part.weights.numpy() * loss(part)) for part in slices]
        assert np.mean(means) == pytest.approx(np.mean(loss(expected)), rel=1e-6)


def test_one_rank_has_weights_of_one(tiny_dataset: Path) -> None:
    for batch in loader(tiny_dataset).epoch(0):
        assert batch.weights.unique().tolist() == [1.0]


def test_a_padding_row_repeats_a_real_one(tiny_dataset: Path) -> None:
    last = loader(tiny_dataset, batch_size=97, rank=6, world_size=7, split="test")
    for batch in last.epoch(0):
        rows = row_texts(batch, real_only=False)
        assert (batch.weights == 0).any()
        assert set(rows) == set(row_texts(batch)) or not row_texts(batch)


@pytest.mark.parametrize("window_rows", [250, 700, 10_000])
@pytest.mark.parametrize("start", [0, 1, 5, 12, 13])
def test_an_epoch_resumes_at_any_batch(tiny_dataset: Path, start: int, window_rows: int) -> None:
    whole = [row_texts(batch) for batch in loader(tiny_dataset, window_rows=window_rows).epoch(2)]
    resumed = loader(tiny_dataset, window_rows=window_rows).epoch(2, start)
    assert [row_texts(batch) for batch in resumed] == whole[start:]


def test_a_resumed_epoch_reads_only_the_parts_it_needs(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def recording(directory, part, fields, labels, check):
        read.append(part.file)
        return read_part(directory, part, fields, labels, check)

    monkeypatch.setattr("pipeline.data.loading.loader.read_part", recording)
    reader = loader(tiny_dataset, window_rows=300)
    list(reader.epoch(0, reader.batches_per_epoch - 1))
    assert 1 <= len(read) <= 2


def test_an_epoch_is_repeatable_and_the_next_one_differs(tiny_dataset: Path) -> None:
    reader = loader(tiny_dataset)
    first, again, second = (
        [text for batch in reader.epoch(epoch) for text in row_texts(batch)] for epoch in (0, 0, 1)
    )
    assert first == again
    assert first != second
    assert sorted(first) == sorted(second)


def test_another_seed_gives_another_order(tiny_dataset: Path) -> None:
    orders = [
        [t for batch in loader(tiny_dataset, seed=seed).epoch(0) for t in row_texts(batch)]
        for seed in (1, 2)
    ]
    assert orders[0] != orders[1]


def test_features_are_bags_of_every_field_in_the_manifests_order(tiny_dataset: Path) -> None:
    batch = next(loader(tiny_dataset).epoch(0))
    features = batch.features
    assert features.keys() == [field.name for field in read_manifest(tiny_dataset).fields]
    assert features.stride() == len(batch.weights)
    assert features.values().dtype == torch.int64
    assert features.lengths().dtype == torch.int32
    assert features.offsets()[-1] == len(features.values())
    assert batch.labels.dtype == batch.weights.dtype == torch.float32


def test_a_changed_part_is_refused_by_name(tiny_dataset: Path, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    manifest = read_manifest(tiny_dataset)
    for part in manifest.splits["train"].parts:
        (directory / part.file).parent.mkdir(parents=True, exist_ok=True)
        (directory / part.file).write_bytes((tiny_dataset / part.file).read_bytes())
    part = directory / manifest.splits["train"].parts[2].file
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    reader = Loader(directory, manifest, "train", 128, 0, 1, 10_000, SEED, ["label"], CPU)
    with pytest.raises(InputError, match=r"part-00002.parquet: its digest is not the manifest's"):
        next(reader.epoch(0))
    part.unlink()
    with pytest.raises(InputError, match=r"part-00002.parquet: missing"):
        next(Loader(directory, manifest, "train", 128, 0, 1, 10_000, SEED, ["label"], CPU).epoch(0))


def test_an_id_outside_its_fields_table_is_refused_by_name(tiny_dataset: Path) -> None:
    manifest = read_manifest(tiny_dataset)
    fields = [replace(f, cardinality=3) if f.name == "small" else f for f in manifest.fields]
    changed = replace(manifest, fields=tuple(fields))
    reader = Loader(tiny_dataset, changed, "train", 128, 0, 1, 10_000, SEED, ["label"], CPU)
    with pytest.raises(InputError, match=r"part-00000.parquet: field 'small' has the id 16, its"):
        next(reader.epoch(0))


def test_an_empty_split_has_no_batches(tiny_dataset: Path) -> None:
    manifest = read_manifest(tiny_dataset)
    empty = replace(manifest, splits={**manifest.splits, "test": Split(0, {"label": 0}, ())})
    reader = Loader(tiny_dataset, empty, "test", 8, 0, 1, 10, None, ["label"], CPU)
    assert reader.batches_per_epoch == 0
    assert list(reader.epoch(0)) == []


def test_a_part_that_cannot_be_read_is_named(tiny_dataset: Path, tmp_path: Path) -> None:
    part = read_manifest(tiny_dataset).splits["valid"].parts[0]
    (tmp_path / part.file).mkdir(parents=True)
    with pytest.raises(InputError, match=r"part-00000\.parquet: cannot be read: Is a directory"):
        read_part(tmp_path, part, [], [], check=True)


@pytest.mark.parametrize("place", ["page", "footer"])
def test_a_part_that_was_damaged_after_its_first_read_is_named(
    tiny_dataset: Path, tmp_path: Path, place: str
) -> None:
    manifest = read_manifest(tiny_dataset)
    part = manifest.splits["valid"].parts[0]
    content = bytearray((tiny_dataset / part.file).read_bytes())
    # The header of the first page follows the magic number. The footer ends 8 bytes before the end.
    start = 4 if place == "page" else len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[start : start + 16] = b"\xff" * 16
    (tmp_path / "valid").mkdir()
    (tmp_path / part.file).write_bytes(content)
    with pytest.raises(InputError, match=r"part-00000\.parquet: not a part of this dataset: "):
        read_part(tmp_path, part, manifest.fields, manifest.labels, check=False)


def test_the_files_of_a_batch_are_those_of_its_windows(tiny_dataset: Path) -> None:
    # 1,600 rows in parts of 300, the last of 100: without shuffling, windows of two parts each.
    reader = loader(tiny_dataset, seed=None)
    assert reader.files_of(0, 0) == ["train/part-00000.parquet", "train/part-00001.parquet"]
    across = reader.files_of(0, 600 * reader.batches_per_epoch // 1600)
    assert across == [f"train/part-0000{number}.parquet" for number in range(4)]
