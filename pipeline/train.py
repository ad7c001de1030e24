"""Trains a multi-embedding model on a prepared dataset.

    python -m pipeline.train specs/demo.toml                                  one process
    torchrun --nproc_per_node 8 -m pipeline.train specs/demo.toml             one node of 8 GPUs
    python -m pipeline.train specs/demo.toml train.epochs=1 model.sets=2      other settings

Reads the dataset directory; writes the run directory: checkpoints, the best model, metrics.jsonl
and TensorBoard logs. A training that was stopped goes on from its last checkpoint.
"""

from pathlib import Path

from pipeline.console import run_entry_point, spec_arguments
from pipeline.spec_file import load_spec
from pipeline.training.already_done import is_trained


def main(arguments: list[str]) -> None:
    """``SPEC [key=value ...]``."""
    path, overrides = spec_arguments(arguments, __doc__)
    spec = load_spec(Path(path), overrides)
    if is_trained(spec):
        return
    # Here, and not above, so that a stage with nothing to do is done before torch is imported.
    from pipeline.distributed.runtime import start_runtime
    from pipeline.training.training import train

    settings = spec.train
    with start_runtime(
        settings.device, settings.timeout_minutes, settings.deterministic
    ) as runtime:
        train(spec, runtime)


if __name__ == "__main__":
    run_entry_point(main)
