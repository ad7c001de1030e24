"""Evaluates a trained run's best checkpoint and writes its metrics and report.

    python -m pipeline.evaluate specs/demo.toml                               one process
    torchrun --nproc_per_node 8 -m pipeline.evaluate specs/demo.toml          one node of 8 GPUs

Reads the dataset and the run directory; writes ``metrics.json`` and ``report/index.html`` into the
run directory. The metrics are exact, over every row of the validation and test splits.
"""

from pathlib import Path

from pipeline.console import run_entry_point, spec_arguments
from pipeline.spec_file import load_spec
from pipeline.training.already_done import is_evaluated


def main(arguments: list[str]) -> None:
    """``SPEC [key=value ...]``."""
    path, overrides = spec_arguments(arguments, __doc__)
    spec = load_spec(Path(path), overrides)
    if is_evaluated(spec):
        return
    # Here, and not above, so that a stage with nothing to do is done before torch is imported.
    from pipeline.distributed.runtime import start_runtime
    from pipeline.training.evaluation import evaluate

    settings = spec.train
    with start_runtime(
        settings.device, settings.timeout_minutes, settings.deterministic
    ) as runtime:
        evaluate(spec, runtime)


if __name__ == "__main__":
    run_entry_point(main)
