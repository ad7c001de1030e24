"""The first pass: every source is read once, or what an earlier run read of it is taken up."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.console import InputError, progress
from pipeline.data.preparation.engines import Engine
from pipeline.data.preparation.spill import SpilledChunk, SpillJob, Tally, spill_block
from pipeline.data.preparation.workplace import Workplace
from pipeline.data.sources.opening import SplitSource
from pipeline.data.whole_files import write_whole
from pipeline.spec import PrepareSpec


@dataclass(frozen=True)
class FirstPass:
    """What came of reading the sources.

    Attributes:
        chunks: in the sources' order.
        tally: counts of every field.
        sources: the manifest's records.
    """

    chunks: list[SpilledChunk]
    tally: Tally
    sources: tuple[dict[str, Any], ...]


def read_sources(
    prepare: PrepareSpec, sources: Sequence[SplitSource], place: Workplace, engine: Engine
) -> FirstPass:
    """Spills the rows of all sources and counts their values.

    Raises:
        InputError: for rows that cannot be read, and sources that change meanwhile.
    """
    record = place.work / "read.json"
    done = _taken_up(record, prepare, sources, place, engine)
    if done is None:
        done = _read(record, prepare, sources, place, engine)
    return done


def _read(
    record: Path,
    prepare: PrepareSpec,
    sources: Sequence[SplitSource],
    place: Workplace,
    engine: Engine,
) -> FirstPass:
    """Cuts the sources into blocks. Those whose chunks are there already are not parsed again."""
    owners: list[int] = []
    chunks: list[SpilledChunk] = []
    tally = Tally(len(sources[0].source.fields))

    def jobs() -> Iterator[SpillJob]:
        row = 0
        for index, source in enumerate(sources):
            for block in source.source.blocks():
                path = _chunk_path(place, len(owners))
                owners.append(index)
                yield SpillJob(path, source, block, row, prepare)
                row += block.rows

    total, done = sum(source.source.size for source in sources), 0
    with progress("read", total, "bytes") as advance:
        for chunk in _spilled(jobs(), engine, tally):
            assert chunk is not None
            chunks.append(chunk)
            read = sum(source.source.bytes_done for source in sources)
            if read > done:
                advance(read - done)
            done = read
    records = tuple(map(_source_record, sources))
    if any(source.source.path.version() != source.version for source in sources):
        raise InputError("data.source: a file changed while it was read; prepare it again")
    write_whole(record, json.dumps({"owners": owners, "sources": records}).encode())
    return FirstPass(chunks, tally, records)


def _taken_up(
    record: Path,
    prepare: PrepareSpec,
    sources: Sequence[SplitSource],
    place: Workplace,
    engine: Engine,
) -> FirstPass | None:
    """The pass of an earlier run; None when there is none, or one of its chunks is not whole."""
    try:
        values = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        # Never written, or emptied when the machine went down.
        return None
    tally = Tally(len(sources[0].source.fields))
    jobs = [
        SpillJob(_chunk_path(place, number), sources[owner], None, 0, prepare)
        for number, owner in enumerate(values["owners"])
    ]
    chunks: list[SpilledChunk] = []
    with progress("count again", len(jobs), "chunks") as advance:
        for chunk in _spilled(jobs, engine, tally):
            if chunk is None:
                record.unlink()
                return None
            chunks.append(chunk)
            advance(1)
    return FirstPass(chunks, tally, tuple(values["sources"]))


def _spilled(
    jobs: Iterable[SpillJob], engine: Engine, tally: Tally
) -> Iterator[SpilledChunk | None]:
    for result in engine.ordered_map(spill_block, jobs, 2):
        if result is None:
            yield None
            return
        chunk, counts = result
        tally.add(counts)
        yield chunk


def _chunk_path(place: Workplace, number: int) -> Path:
    return place.work / f"chunk-{number:06d}.arrow"


def _source_record(source: SplitSource) -> dict[str, Any]:
    """Without its folder, so that the same file elsewhere makes the same dataset."""
    file = source.source
    return {
        "file": file.path.name,
        "split": source.split,
        "bytes": file.size,
        "sha256": file.digest,
    }
