"""Writes what a checkpoint's model predicts for the validation split, a file a rank.

write_predictions.py SPEC CHECKPOINT FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.spec_file import load_spec
from pipeline.training.checkpoints.loading import load_model
from pipeline.training.setup import build_predictor, scoring_loader


@torch.no_grad()
def main(spec_file: str, checkpoint: str, folder: str) -> None:
    """One batch holds the whole split, so the ranks' rows follow one another."""
    spec = load_spec(Path(spec_file))
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        predictor = build_predictor(spec, manifest, runtime)
        load_model(Path(checkpoint), predictor.model.module, runtime)
        predictor.model.module.eval()
        (batch,) = scoring_loader(spec, manifest, runtime, "valid").epoch(0)
        _, outcome = predictor.model.module(batch)
        real = outcome.weights > 0
        np.save(Path(folder) / f"{runtime.rank}.npy", outcome.logits[0, real].sigmoid().numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
