"""Evaluates a trained run's best checkpoint, or embedding matrices from outside.

    python -m pipeline.evaluate specs/demo.toml                               one process
    torchrun --nproc_per_node 8 -m pipeline.evaluate specs/demo.toml          one node of 8 GPUs
    python -m pipeline.evaluate t5.safetensors tensors=shared.weight          a file of matrices

Of a run it reads the dataset and the run directory, and writes ``metrics.json`` and
``report/index.html`` into the run directory. The metrics are exact, over every row of the
validation and test splits.

Of a file (.npy, .safetensors, or what torch.save wrote as .pt, .pth, .bin or .ckpt) it writes
``report/index.html`` into ``run.directory``, by default ``runs/`` and the file's name. After the
file may follow:

    tensors='tables.{set}.{field}.weight'    which matrices: names, or patterns with * for any text;
                                             those that differ in {set} are sets of one field
    counts=counts.npy                        how often each row occurs, by field
    run.directory=runs/t5                    where the report goes
"""

from pathlib import Path

from pipeline.console import run_entry_point, spec_arguments
from pipeline.spec_file import fill_section, load_spec
from pipeline.spec_matrices import MatricesSpec, is_matrix_file
from pipeline.training.already_done import is_evaluated


def main(arguments: list[str]) -> None:
    """``SPEC [key=value ...]``, or ``FILE [key=value ...]``."""
    path, overrides = spec_arguments(arguments, __doc__)
    if is_matrix_file(Path(path)):
        _evaluate_matrices(Path(path), overrides)
        return
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


def _evaluate_matrices(path: Path, overrides: list[str]) -> None:
    from pipeline.diagnostics.matrices.evaluation import evaluate_matrices

    evaluate_matrices(path, fill_section(MatricesSpec, path, {}, overrides))


if __name__ == "__main__":
    run_entry_point(main)
