"""A job whose ranks are killed again and again ends as one that was left alone.

``make chaos`` runs it; ``KILLS`` in the environment says how many kills, 30 without.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from small_trainings import children, last_state, write_spec

from pipeline.data.preparation.build import build
from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory, read_journal

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "30"))
SEED = 20
ROWS = {"train": 6_400, "valid": 640, "test": 640}
BATCH, EPOCHS, RANKS = 64, 6, 2
STEPS = EPOCHS * ROWS["train"] // BATCH
RECORDER = Path(__file__).parent / "recorded_training.py"

Moment = Literal["between", "writing", "starting"]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    Attributes:
        moment: ``between``: whatever the rank is doing at that step. ``writing``: when after that
            step a checkpoint is being written or published. ``starting``: so soon after a start
            that it may not have trained at all.
        step: of the training, that is waited for.
        delay: seconds after that.
        rank: the victim.
    """

    moment: Moment
    step: int
    delay: float
    rank: int


def plan_kills(count: int) -> list[Kill]:
    """Random moments over the whole run, in their order; two in five hit the writing."""
    chance = random.Random(SEED)
    moments: list[Moment] = ["writing", "between", "writing", "between", "between"]
    kinds = [moments[number % 5] for number in range(count)]
    kinds[4::10] = ["starting"] * len(kinds[4::10])
    chance.shuffle(kinds)
    steps = sorted(chance.randrange(STEPS - 20) for _ in kinds)
    longest = {"between": 0.05, "writing": 0.03, "starting": 8.0}
    return [
        Kill(kind, 0 if kind == "starting" else step, chance.random() * longest[kind], victim)
        for kind, step in zip(kinds, steps, strict=True)
        for victim in [chance.randrange(RANKS)]
    ]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose field ``row`` has a token of its own in every row."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(SEED)
    firsts = np.cumsum([0, *ROWS.values()])
    for (name, rows), first in zip(ROWS.items(), firsts, strict=False):
        a, b = rng.integers(0, 50, rows), rng.integers(0, 300, rows)
        labels = rng.random(rows) < 1 / (1 + np.exp(-2 * np.sin(a * b)))
        columns = {"label": labels.astype(np.int8), "row": np.arange(first, first + rows)}
        pyarrow.csv.write_csv(pa.table(columns | {"a": a, "b": b}), folder / f"{name}.csv")
    values = {
        "run": {"directory": str(folder)},
        "data": {
            "format": "csv",
            "source": str(folder),
            "fields": [{"name": "row"}, {"name": "a"}, {"name": "b"}],
            "splits": {name: f"{name}.csv" for name in ROWS},
        },
        "prepare": {"part_rows": 1_000},
    }
    spec = Spec.model_validate(values)
    build(spec, {})
    return spec.dataset_directory


def spec_of(name: str, dataset: Path, folder: Path) -> Spec:
    """Dropout, a gate's noise and running statistics: what is hardest to carry on exactly."""
    values = {
        "run": {"directory": str(folder / name), "seed": 3},
        "data": {"format": "criteo", "source": "unused", "directory": str(dataset)},
        "model": {
            "sets": 3,
            "embedding_dim": 8,
            "hidden_dim": 32,
            "dropout": 0.3,
            "head": "sparse_gate",
            "normalization": "batch",
            "dcnv2": {"layers": 2},
        },
        "embedding_optimizer": {"name": "adagrad", "learning_rate": 0.02},
        "train": {
            "batch_size": BATCH,
            "epochs": EPOCHS,
            "patience": EPOCHS,
            "device": "cpu",
            "log_every": 1,
            "checkpoint_every": 10,
            "window_rows": 2_000,
        },
    }
    return Spec.model_validate(values)


class Job:
    """torchrun with two ranks, which starts them again when one dies."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self.directory = RunDirectory(spec.run_directory)
        self.records = folder / f"{spec.run_directory.name}-records"
        self.records.mkdir()
        self._output = folder / f"{spec.run_directory.name}.log"
        command = [sys.executable, "-m", "torch.distributed.run", "--rdzv_backend", "c10d"]
        command += ["--rdzv_endpoint", "localhost:0", "--nproc_per_node", str(RANKS)]
        command += ["--max_restarts", str(KILLS), str(RECORDER), str(self.records)]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*command, str(write_spec(spec))],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Leaves nothing running."""
        if self._process.poll() is None:
            for pid in [self._process.pid, *children(self._process.pid)]:
                os.kill(pid, signal.SIGKILL)
            self._process.wait()

    def wait(self) -> None:
        """Waits for the end, which must be a success."""
        assert self._process.wait(timeout=600) == 0, self.output()

    def strike(self, kill: Kill, start: int) -> None:
        """Waits for a kill's moment in the start of that number, and kills."""
        victim = self._wait_for(lambda: self._rank(start, kill.rank))
        if kill.moment != "starting":
            self._wait_for(lambda: self._fetched(start) >= kill.step)
        if kill.moment == "writing":
            self._wait_for(lambda: any(self.directory.path.rglob("*.partial")))
        time.sleep(kill.delay)
        os.kill(victim, signal.SIGKILL)

    def _wait_for(self, condition: Callable[[], Found]) -> Found:
        """What is found, as soon as it is true."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := condition():
                return found
            time.sleep(0.002)
        raise AssertionError(f"it never came, or the job ended: {self.output()}")

    def _rank(self, start: int, rank: int) -> int:
        """The process of a rank in a start; 0 where it is not there yet."""
        wanted = {f"RANK={rank}".encode(), f"TORCHELASTIC_RESTART_COUNT={start}".encode()}
        for pid in children(self._process.pid):
            with contextlib.suppress(OSError):
                if wanted <= set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")):
                    return pid
        return 0

    def _fetched(self, start: int) -> int:
        """The step of the last batch that rank 0 fetched in a start; -1 before the first."""
        lines = read_lines(self.records / f"{start:04d}-0.jsonl")
        return lines[-1]["epoch"] * (STEPS // EPOCHS) + lines[-1]["batch"] if lines else -1

    def output(self) -> str:
        """The end of what the job printed."""
        return self._output.read_text()[-5_000:]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that a kill may have cut short."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def rows_trained(records: Path) -> dict[tuple[int, int], list[int]]:
    """The rows of each (epoch, batch) that counts: fetched, and not gone back to later.

    A start goes on at the batch after its checkpoint. What earlier starts fetched from there on is
    undone, since their steps are not in the checkpoint.
    """
    counted: dict[tuple[int, int], list[int]] = {}
    for _, files in itertools.groupby(sorted(records.iterdir()), lambda path: path.name[:4]):
        ranks = [read_lines(path) for path in files]
        places = [(line["epoch"], line["batch"]) for lines in ranks for line in lines]
        if not places:
            continue
        begin = min(places)
        counted = {place: rows for place, rows in counted.items() if place < begin}
        for line in itertools.chain(*ranks):
            counted.setdefault((line["epoch"], line["batch"]), []).extend(line["rows"])
    return counted


def assert_every_row_once_an_epoch(records: Path, dataset: Path) -> None:
    """Compares what was fetched with what the train split's files hold."""
    parts = sorted((dataset / "train").glob("*.parquet"))
    ids = pa.concat_tables([pq.read_table(part, columns=["row"]) for part in parts])["row"]
    expected = sorted(ids.to_pylist())
    assert len(set(expected)) == ROWS["train"]
    counted = rows_trained(records)
    for epoch in range(EPOCHS):
        seen = [row for (of, _), rows in counted.items() if of == epoch for row in rows]
        assert sorted(seen) == expected, f"epoch {epoch + 1}"


def test_thirty_kills_change_no_bit_and_no_row_is_lost_or_repeated(
    dataset: Path, tmp_path: Path
) -> None:
    left_alone, killed = (spec_of(name, dataset, tmp_path) for name in ("alone", "killed"))
    with Job(left_alone, tmp_path) as job:
        job.wait()
        assert_every_row_once_an_epoch(job.records, dataset)
    kills = plan_kills(KILLS)
    with Job(killed, tmp_path) as job:
        for start, kill in enumerate(kills):
            job.strike(kill, start)
            print(f"kill {start + 1}: {kill}", flush=True)
        job.wait()
        assert_every_row_once_an_epoch(job.records, dataset)
        assert len(list(job.records.iterdir())) > RANKS
    expected, found = last_state(left_alone), last_state(killed)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not expected[name].equal(found[name])] == []
    journals = [
        read_journal(RunDirectory(s.run_directory).journal_file) for s in (left_alone, killed)
    ]
    losses = [[(p["step"], p["loss"]) for p in run if p["kind"] == "train"] for run in journals]
    assert losses[0] == losses[1]
    assert [step for step, _ in losses[1]] == list(range(1, STEPS + 1))
