"""Compares the prepare stage with scripts that do the same, on generated Criteo data.

    make bench-prepare                   500,000 rows, three rounds
    make bench-prepare ROWS=5000000 ROUNDS=1

Every contender runs in a process of its own, in turn, several rounds; a table shows the medians.
Time is from after the imports to the last byte written; memory is the process's high-water mark.
The line-by-line script has the first 50,000 rows only. ``ids`` is the mean id over all rows and
fields: equal mappings, equal means.

Memory may grow with the vocabulary, but not with the rows. So with more than 500,000 rows the
prepare stage also takes the first 500,000 of them alone, and a line says what it took then, what
the vocabulary takes (all distinct tokens, the rare ones too, with offsets, counts and ids) and what
it may take.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prepare_contenders import CONTENDERS

from pipeline.data.generator.generate import generate
from pipeline.data.manifest import read_manifest
from pipeline.spec_generator import GeneratorSpec

FEW_ROWS = 50_000
SLOW = "line by line"
OURS = "ours"
# The memory that is compared, and how much of it may be taken with more rows.
BASE_ROWS = 500_000
BASE_ROUNDS = 3
GROWTH = 1.3


def main() -> None:
    """Runs all contenders, or the one that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-prepare"))
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--run", nargs=2)
    arguments = parser.parse_args()
    if arguments.run:
        _run(arguments.only[0], *map(Path, arguments.run))
        return
    source = arguments.folder / f"log-{arguments.rows}.txt"
    generate(source, GeneratorSpec(rows=arguments.rows))
    few = _head(source, FEW_ROWS)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    for _ in range(arguments.rounds):
        for name in arguments.only:
            measured = _measured(name, few if name == SLOW else source)
            print(f"{name}: {measured['wall']:.1f} s", file=sys.stderr, flush=True)
            results[name].append(measured)
    _show(arguments.rows, results)
    if arguments.rows > BASE_ROWS and OURS in results:
        head = _head(source, BASE_ROWS)
        base = _medians([_measured(OURS, head) for _ in range(BASE_ROUNDS)])
        _show_growth(base["peak"], _medians(results[OURS]))


def _head(source: Path, rows: int) -> Path:
    """A file of the first rows."""
    path = source.with_name(f"head-{rows}.txt")
    with source.open("rb") as whole, path.open("wb") as head:
        head.writelines(islice(whole, rows))
    return path


def _measured(name: str, source: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=source.parent) as output:
        command = [sys.executable, __file__, "--only", name, "--run", str(source), output]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        files = sorted(Path(output).rglob("*.parquet"))
        ids = [_ids(path) for path in files if _is_part(path)]
        vocabulary = _vocabulary_bytes(Path(output) / "dataset") if name == OURS else 0
    values: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    values["ids"] = sum(total for total, _ in ids) / sum(count for _, count in ids)
    values["vocabulary"] = vocabulary / (1 << 20)
    return values


def _is_part(path: Path) -> bool:
    return path.parent.name != "vocabulary"


def _ids(path: Path) -> tuple[int, int]:
    """The sum of all ids of a part, and how many they are."""
    table = pq.read_table(path).drop(["label"])
    total = sum(pc.sum(column.cast(pa.int64())).as_py() for column in table.columns)
    return total, table.num_rows * table.num_columns


def _vocabulary_bytes(dataset: Path) -> float:
    """Of all distinct tokens, the rare ones too: their bytes, 4 of offset, 8 of count, 4 of id."""
    total = 0.0
    for field in read_manifest(dataset).fields:
        tokens = pq.read_table(dataset / f"vocabulary/{field.name}.parquet")["token"].drop_null()
        total += (field.distinct or 0) * (pc.mean(pc.binary_length(tokens)).as_py() + 16)
    return total


def _run(name: str, source: Path, output: Path) -> None:
    if name == "polars":
        import polars  # noqa: F401
    if name == "duckdb":
        import duckdb  # noqa: F401
    wall, cpu = time.monotonic(), time.process_time()
    CONTENDERS[name](source, output)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": int(status["VmHWM"].split()[0]) / 1024}))


def _show(rows: int, results: dict[str, list[dict[str, float]]]) -> None:
    print(f"\n{rows:,} rows of Criteo's format, medians of {len(next(iter(results.values())))}")
    print(f"{'':14}{'rows/s':>10}{'rows/CPU-s':>12}{'peak MiB':>10}{'ids':>10}{'ours is':>10}")
    speeds = {}
    for name, runs in results.items():
        median = _medians(runs)
        count = FEW_ROWS if name == SLOW else rows
        speeds[name] = count / median["wall"]
        ratio = f"{speeds[OURS] / speeds[name]:9.2f}x" if OURS in speeds else ""
        print(
            f"{name:14}{speeds[name]:10,.0f}{count / median['cpu']:12,.0f}{median['peak']:10,.0f}"
            f"{median['ids']:10.2f}{ratio:>10}"
        )


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _show_growth(base: float, taken: dict[str, float]) -> None:
    allowed = GROWTH * base + taken["vocabulary"]
    print(
        f"memory: {base:,.0f} MiB with the first {BASE_ROWS:,} rows; the vocabulary takes "
        f"{taken['vocabulary']:,.1f} MiB; {GROWTH} x {base:,.0f} + {taken['vocabulary']:,.1f} = "
        f"{allowed:,.0f} MiB may be taken, {taken['peak']:,.0f} are"
    )


if __name__ == "__main__":
    np.seterr(divide="ignore", invalid="ignore")
    main()
