"""A matrix need not fit into memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matrix_files import write_safetensors

# Of the pages that count, those of a mapped file do not: the system may drop them.
PEAK = """
import sys, threading, time
from pathlib import Path
from pipeline.evaluate import main
peak, done = [0], threading.Event()
def watch():
    while not done.wait(0.005):
        lines = Path("/proc/self/status").read_text().splitlines()
        own = next(line for line in lines if line.startswith("RssAnon"))
        peak[0] = max(peak[0], int(own.split()[1]))
watcher = threading.Thread(target=watch)
watcher.start()
main(sys.argv[1:])
done.set()
watcher.join()
print(peak[0])
"""


def peak_mib(path: Path) -> float:
    root = str(Path(__file__).parents[3])
    variables = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PEAK, str(path)]
    ended = subprocess.run(
        command, cwd=path.parent, env=variables, capture_output=True, text=True, check=True
    )
    return int(ended.stdout.splitlines()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".npy", ".safetensors", ".pt"])
def test_four_times_the_rows_take_no_more_memory(tmp_path: Path, ending: str) -> None:
    peaks = []
    for name, rows in (("small", 500_000), ("large", 2_000_000)):
        matrix = np.tile(np.eye(50, dtype=np.float32), (rows // 50, 1))
        path = tmp_path / f"{name}{ending}"
        if ending == ".npy":
            np.save(path, matrix)
        elif ending == ".pt":
            torch.save(torch.from_numpy(matrix), path)
        else:
            write_safetensors(path, {"a": matrix})
        peaks.append(peak_mib(path))
    # 300 MB more are on disk.
    assert peaks[1] - peaks[0] < 40
