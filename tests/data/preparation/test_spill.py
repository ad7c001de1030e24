"""Chunks on disk: what a new run takes of an earlier one's."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.preparation.spill import SpillJob, Tally, spill_block
from pipeline.data.sources.opening import open_sources

CONTENT = b"label,color,size\n1,red,3\n0,blue,\n1,red,-1\n"


@pytest.fixture
def job(csv_spec, tmp_path: Path) -> SpillJob:
    spec = csv_spec(CONTENT)
    (source,) = open_sources(spec.data)
    (block,) = source.source.blocks()
    return SpillJob(tmp_path / "chunk.arrow", source, block, 0, spec.prepare)


def without_block(job: SpillJob) -> SpillJob:
    return SpillJob(job.path, job.source, None, 0, job.prepare)


def test_a_chunk_that_is_there_is_counted_as_it_is(job: SpillJob) -> None:
    first = spill_block(job)
    again = spill_block(without_block(job))
    assert first is not None
    assert again is not None
    assert again[0] == first[0]
    for one, other in zip(first[1], again[1], strict=True):
        assert one.values.equals(other.values)
        assert np.array_equal(one.counts, other.counts)


def test_without_chunk_and_block_there_is_nothing_to_count(job: SpillJob) -> None:
    assert spill_block(without_block(job)) is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "changed"])
def test_a_chunk_that_is_not_whole_is_made_again(job: SpillJob, damage: str) -> None:
    spill_block(job)
    whole = job.path.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "truncated": whole[:middle],
        "empty": b"",
        "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    }
    job.path.write_bytes(damaged[damage])
    assert spill_block(without_block(job)) is None
    spill_block(job)
    assert job.path.read_bytes() == whole


def test_rows_stand_split_by_split(csv_spec, tmp_path: Path) -> None:
    lines = [f"{row % 2},c{row},{row}\n" for row in range(200)]
    spec = csv_spec(("label,color,size\n" + "".join(lines)).encode())
    prepare = spec.prepare.model_copy(update={"ratios": (0.5, 0.25, 0.25)})
    (source,) = open_sources(spec.data)
    (block,) = source.source.blocks()
    result = spill_block(SpillJob(tmp_path / "chunk.arrow", source, block, 0, prepare))
    assert result is not None
    chunk, _ = result
    assert chunk.rows == chunk.rows_read == 200
    assert sum(chunk.split_positives["label"]) == 100
    assert all(30 < rows < 130 for rows in chunk.split_rows)


def test_a_tally_adds_chunks_up_and_gives_a_fields_counts_away(job: SpillJob) -> None:
    result = spill_block(job)
    assert result is not None
    tally = Tally(2)
    for _ in range(5):
        tally.add(result[1])
    color = tally.total(0)
    assert color.values.to_pylist() == ["red", "blue"]
    assert color.counts.tolist() == [10, 5]
    assert len(tally.total(0).values) == 0
    assert tally.total(1).counts.tolist() == [5, 5, 5]
