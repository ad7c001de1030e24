"""Compares the prepare stage with scripts that do the same, on generated Criteo data.

    make bench-prepare                   500,000 rows, three rounds
    make bench-prepare ROWS=5000000 ROUNDS=1

Every contender runs in a process of its own, in turn, several rounds; a table shows the medians.
Time is from after the imports to the last byte written; memory is the process's high-water mark.
The line-by-line script has the first 50,000 rows only. ``ids`` is the mean id over all rows and
fields: equal mappings, equal means.
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
from pipeline.spec_data import GeneratorSpec

FEW_ROWS = 50_000
SLOW = "line by line"


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
    few = arguments.folder / f"log-{FEW_ROWS}.txt"
    with source.open("rb") as whole, few.open("wb") as head:
        head.writelines(islice(whole, FEW_ROWS))
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    for _ in range(arguments.rounds):
        for name in arguments.only:
            measured = _measured(name, few if name == SLOW else source)
            print(f"{name}: {measured['wall']:.1f} s", file=sys.stderr, flush=True)
            results[name].append(measured)
    _show(arguments.rows, results)


def _measured(name: str, source: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=source.parent) as output:
        command = [sys.executable, __file__, "--only", name, "--run", str(source), output]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        ids = [_ids(path) for path in sorted(Path(output).rglob("*.parquet")) if _is_part(path)]
    values: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    values["ids"] = sum(total for total, _ in ids) / sum(count for _, count in ids)
    return values


def _is_part(path: Path) -> bool:
    return path.parent.name != "vocabulary"


def _ids(path: Path) -> tuple[int, int]:
    """The sum of all ids of a part, and how many they are."""
    table = pq.read_table(path).drop(["label"])
    total = sum(pc.sum(column.cast(pa.int64())).as_py() for column in table.columns)
    return total, table.num_rows * table.num_columns


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
        median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        count = FEW_ROWS if name == SLOW else rows
        speeds[name] = count / median["wall"]
        ratio = f"{speeds['ours'] / speeds[name]:9.2f}x" if "ours" in speeds else ""
        print(
            f"{name:14}{speeds[name]:10,.0f}{count / median['cpu']:12,.0f}{median['peak']:10,.0f}"
            f"{median['ids']:10.2f}{ratio:>10}"
        )


if __name__ == "__main__":
    np.seterr(divide="ignore", invalid="ignore")
    main()
