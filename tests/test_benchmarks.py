"""The benchmarks run: a change of what they call must not be found on the day they are needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.mark.parametrize(("interaction", "note"), [("dnn", ""), ("ipnn", "pairwise")])
def test_a_case_of_the_training_benchmark_is_measured(interaction: str, note: str) -> None:
    sizes = {"sets": 1, "embedding_dim": 4}
    case = {"interaction": interaction, **sizes, "precision": "fp32", "note": note}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench_train.py", "--case", json.dumps(case)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["seconds"] > 0
    if not note:
        assert 0 < found["floor"] < found["seconds"]
