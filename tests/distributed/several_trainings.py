"""Trains and evaluates several specs one after the other in one job: a rank of it.

    several_trainings.py 2 first.toml second.toml

The first argument is the ranks of a node, which may be fewer than run on this machine.
"""

import os
import sys
from pathlib import Path

import torch.distributed as dist

from pipeline.distributed.runtime import start_runtime
from pipeline.spec_file import load_spec
from pipeline.training.evaluation import evaluate
from pipeline.training.training import train

if __name__ == "__main__":
    os.environ["LOCAL_WORLD_SIZE"] = sys.argv[1]
    with start_runtime("cpu") as runtime:
        for path in sys.argv[2:]:
            spec = load_spec(Path(path))
            train(spec, runtime)
            # The first rank records that the training is finished.
            dist.barrier()
            evaluate(spec, runtime)
