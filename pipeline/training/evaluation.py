"""Evaluates a trained run: exact metrics over whole splits, collapse, and the report."""

import datetime
import json
from typing import Any

from pipeline.console import InputError
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.diagnostics.collapse import FieldCollapse, summarise
from pipeline.diagnostics.report import write_report
from pipeline.distributed.runtime import Runtime
from pipeline.metrics.calibration import calibration_curve
from pipeline.spec import Spec
from pipeline.spec_file import to_toml
from pipeline.training.checkpoint import load_checkpoint
from pipeline.training.collapse_probe import probe_collapse
from pipeline.training.journal import read_journal
from pipeline.training.prediction import ScoredSplit, score_split
from pipeline.training.run_directory import RunDirectory, write_whole
from pipeline.training.setup import Training, build_training, scoring_loader

EVALUATED_SPLITS = ("valid", "test")
CALIBRATION_BINS = 20


def evaluate(spec: Spec, runtime: Runtime) -> None:
    """Evaluates the best checkpoint of ``run.directory`` and writes its report. Collective.

    Raises:
        InputError: the dataset is not whole, or the run directory holds no finished training of
            this spec.
    """
    manifest = read_manifest(spec.dataset_directory)
    directory = RunDirectory(spec.run_directory)
    trained = directory.completed(spec, manifest)
    if trained is None:
        raise InputError(
            f"{directory.path}: holds no finished training; run `python -m pipeline.train SPEC`"
        )
    training = build_training(spec, manifest, runtime)
    load_checkpoint(directory.best, {"model": training.model.module.state_dict()})
    scored = {split: _score(split, spec, manifest, runtime, training) for split in EVALUATED_SPLITS}
    collapse = probe_collapse(directory.best, training.model.tables, runtime)
    if runtime.is_main:
        whole = {split: result for split, result in scored.items() if result is not None}
        metrics = _metrics(spec, manifest, training, trained, whole, collapse)
        _write(directory, spec, metrics, whole["test"], collapse)


def _score(
    split: str, spec: Spec, manifest: Manifest, runtime: Runtime, training: Training
) -> ScoredSplit | None:
    loader = scoring_loader(spec, manifest, runtime, split)
    task = f"evaluate {split}"
    return score_split(task, training.model.module, training.pipeline, loader, runtime)


def _metrics(
    spec: Spec,
    manifest: Manifest,
    training: Training,
    trained: dict[str, Any],
    scored: dict[str, ScoredSplit],
    collapse: list[FieldCollapse],
) -> dict[str, Any]:
    """Everything that ``metrics.json`` holds."""
    groups = spec.model.resolved_groups
    metrics: dict[str, Any] = {
        "run": {
            "name": spec.run_directory.name,
            "seed": spec.run.seed,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        },
        "model": {
            "interaction": " + ".join(group.interaction for group in groups),
            "sets": sum(group.sets for group in groups),
            "embedding_dim": max(group.embedding_dim for group in groups),
            "head": spec.model.head,
            "tables": spec.model.tables,
            "parameters": {
                "embedding": training.parameters.embedding,
                "dense": training.parameters.dense,
            },
        },
        "data": {
            "rows": {name: split.rows for name, split in manifest.splits.items()},
            "fields": len(manifest.fields),
            "vocabulary": sum(field.cardinality for field in manifest.fields),
            "digest": manifest.digest,
        },
        "embedding_optimizer": {
            "name": spec.embedding_optimizer.name,
            "semantics": training.optimizers.semantics,
        },
        "train": trained,
        "collapse": summarise(collapse),
    }
    for name, result in scored.items():
        metrics[name] = {"rows": len(result.labels), **result.metrics()}
    if oracle := manifest.oracle.get("test"):
        metrics["oracle"] = oracle
        metrics["share_of_oracle"] = (metrics["test"]["auc"] - 0.5) / (oracle["auc"] - 0.5)
    return metrics


def _write(
    directory: RunDirectory,
    spec: Spec,
    metrics: dict[str, Any],
    test: ScoredSplit,
    collapse: list[FieldCollapse],
) -> None:
    """The report, then ``metrics.json``, then the result for a person."""
    page = write_report(
        directory.path,
        metrics,
        read_journal(directory.journal_file),
        collapse,
        calibration_curve(test.labels, test.probabilities, CALIBRATION_BINS),
        to_toml(spec),
    )
    write_whole(directory.metrics_file, json.dumps(metrics, indent=1) + "\n")
    figures = metrics["test"]
    print(
        f"{directory.path}: test AUC {figures['auc']:.5f}, logloss {figures['logloss']:.5f}, "
        f"normalised entropy {figures['normalized_entropy']:.5f}, "
        f"calibration {figures['calibration']:.3f} over {figures['rows']:,} rows"
    )
    if "oracle" in metrics:
        print(
            f"true probabilities: AUC {metrics['oracle']['auc']:.5f}; "
            f"the model is {metrics['share_of_oracle']:.1%} of the way there from 0.5"
        )
    print(f"report: {page}")
