"""Which of a scheduler's jobs worked on a run: a line each in its ``launches.jsonl``.

TorchX tells a job its name by the environment; a stage that was started by hand has none and
leaves no line. TorchX's tracker finds the run of a job, and the jobs of a run, by these lines.
"""

import json
import os
from datetime import UTC, datetime

from pipeline.training.run_directory import RunDirectory, writable

JOB = "TORCHX_JOB_ID"
PARENT = "TORCHX_PARENT_RUN_ID"


def record_launch(directory: RunDirectory, stage: str) -> None:
    """Adds the line of this job, if it is one; the run directory must be there.

    Raises:
        InputError: the directory cannot be written.
    """
    if JOB not in os.environ:
        return
    launch = {"job": os.environ[JOB], "stage": stage}
    if PARENT in os.environ:
        launch["parent"] = os.environ[PARENT]
    launch["began"] = datetime.now(UTC).isoformat(timespec="seconds")
    with writable(directory.path), directory.launches_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(launch) + "\n")
