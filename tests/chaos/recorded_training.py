"""Trains as ``python -m pipeline.train`` does, and writes down which rows each batch had.

    torchrun ... recorded_training.py FOLDER SPEC

For every batch that a rank fetches a line of JSON is appended to a file of this start and rank in
FOLDER: epoch, batch, and the rows' ids in the field ``row``, which has a token of its own a row.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import train
from pipeline.console import run_entry_point
from pipeline.data.batch import Batch
from pipeline.data.loading.loader import Loader
from pipeline.training import trainer
from pipeline.training.setup import training_loader


def recording_loader(*arguments: Any) -> Loader:
    """The training's own loader, with an eye on what it yields."""
    loader = training_loader(*arguments)
    fetched = loader.epoch

    def epoch(number: int, start_batch: int = 0) -> Iterator[Batch]:
        for place, batch in enumerate(fetched(number, start_batch), start_batch):
            real = batch.weights > 0
            rows = batch.features["row"].values()[real].tolist()
            line = json.dumps({"epoch": number, "batch": place, "rows": rows})
            with FILE.open("a") as file:
                file.write(line + "\n")
            yield batch

    loader.epoch = epoch  # type: ignore[method-assign]
    return loader


if __name__ == "__main__":
    start, rank = os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]
    FILE = Path(sys.argv.pop(1)) / f"{int(start):04d}-{rank}.jsonl"
    trainer.training_loader = recording_loader
    run_entry_point(train.main)
