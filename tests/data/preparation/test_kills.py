"""Real processes are killed at random moments; what comes in the end is what comes undisturbed."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import files_of

from pipeline.data.generator.generate import generate
from pipeline.spec import Spec
from pipeline.spec_generator import GeneratorSpec

BLOCK_BYTES = 50_000
# Says when its imports are done, so that kills fall into the work.
SCRIPT = f"""
import sys
from pipeline.data.preparation.build import build
from pipeline.spec import Spec
spec = Spec.model_validate_json(sys.argv[1])
print("ready", flush=True)
build(spec, {{}}, {BLOCK_BYTES})
"""


@pytest.fixture
def spec(make_spec, tmp_path: Path) -> Spec:
    source = tmp_path / "train.txt"
    generate(source, GeneratorSpec(rows=3_000))
    prepare = {"minimum_count": 2, "part_rows": 400, "threads": 2}
    return make_spec(format="criteo", source=str(source), prepare=prepare)


def start(spec: Spec) -> subprocess.Popen[bytes]:
    """Starts a preparation and returns when it begins to work."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, spec.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def is_killed(spec: Spec, after_s: float) -> bool:
    """Starts a preparation and kills it; whether it was still at work."""
    process = start(spec)
    time.sleep(after_s)
    process.kill()
    return process.wait() != 0


def test_a_few_kills(spec: Spec) -> None:
    check_kills(spec, 4)


@pytest.mark.slow
def test_fifty_kills(spec: Spec) -> None:
    check_kills(spec, 50)


def check_kills(spec: Spec, wanted: int) -> None:
    process, begun = start(spec), time.monotonic()
    assert process.wait() == 0
    seconds = time.monotonic() - begun
    directory = spec.dataset_directory
    expected = files_of(directory)
    rng = random.Random(wanted)
    kills = 0
    while kills < wanted:
        shutil.rmtree(directory, ignore_errors=True)
        # Up to a little more than a whole preparation takes, so that some are not killed.
        while is_killed(spec, rng.uniform(0, 1.2 * seconds)):
            kills += 1
            assert not directory.exists() or files_of(directory) == expected
        assert files_of(directory) == expected
    assert not directory.with_name("dataset.partial").exists()
