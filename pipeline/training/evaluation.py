"""Evaluates a trained run: exact metrics over whole splits, collapse, and the report."""

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch.distributed as dist

from pipeline.console import InputError
from pipeline.data.generator.planted_patterns import planted_pairs
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.data.whole_directories import restore
from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.collapse import FieldCollapse, analyse_field, split_diversity, summarise
from pipeline.diagnostics.field_gram import FieldGram
from pipeline.diagnostics.gates import gate_figures
from pipeline.diagnostics.pairs import GroupPairs
from pipeline.diagnostics.planted_recovery import recover
from pipeline.diagnostics.recommendation import recommend
from pipeline.diagnostics.report import write_report
from pipeline.distributed.runtime import Runtime
from pipeline.model.multi_embedding import ParameterCount
from pipeline.spec import Spec
from pipeline.spec_file import to_toml
from pipeline.spec_model import GroupSpec
from pipeline.training.checkpoints.loading import load_model
from pipeline.training.collapse_probe import probe_grams
from pipeline.training.launches import record_launch
from pipeline.training.pair_probe import probe_pairs
from pipeline.training.prediction import (
    ScoredSplit,
    check_finite,
    check_group_field,
    score_split,
)
from pipeline.training.run_directory import RunDirectory, read_journal, writable
from pipeline.training.setup import Predictor, build_predictor, scoring_loader

EVALUATED_SPLITS = ("valid", "test")


def evaluate(spec: Spec, runtime: Runtime) -> None:
    """Evaluates the best checkpoint of ``run.directory`` and writes its report. Collective.

    Raises:
        InputError: the dataset is not whole, or the run directory holds no finished training of
            this spec, or it predicts no number for some rows.
    """
    manifest = read_manifest(spec.dataset_directory)
    directory = RunDirectory(spec.run_directory)
    trained = directory.completed(spec, manifest)
    if trained is None:
        raise InputError(
            f"{directory.path}: holds no finished training; run `python -m pipeline.train SPEC`"
        )
    check_group_field(spec.evaluate, manifest)
    if runtime.is_main:
        record_launch(directory, "evaluate")
        restore(directory.best)
    dist.barrier()
    predictor = build_predictor(spec, manifest, runtime)
    load_model(directory.best, predictor.model.module, runtime)
    scored = {
        split: _score(split, spec, manifest, runtime, predictor) for split in EVALUATED_SPLITS
    }
    tables = predictor.model.tables
    grams = probe_grams(directory.best, tables, spec.dataset_directory, runtime)
    if runtime.is_main:
        collapse = [analyse_field(gram) for gram in grams]
        pairs = probe_pairs(predictor.model.module, spec.model, grams)
        metrics = _metrics(spec, manifest, predictor, trained, scored)
        metrics["collapse"] = summarise(collapse) | _comparable(grams, pairs)
        metrics["recommendation"] = asdict(recommend(collapse))
        metrics |= _planted(spec, pairs)
        _write(directory, spec, metrics, scored["test"], collapse, pairs)


def _score(
    split: str, spec: Spec, manifest: Manifest, runtime: Runtime, predictor: Predictor
) -> ScoredSplit:
    loader = scoring_loader(spec, manifest, runtime, split)
    scored = score_split(
        f"evaluate {split}",
        predictor.model.module,
        predictor.pipeline,
        loader,
        runtime,
        spec.evaluate,
    )
    check_finite(split, scored.metrics())
    return scored


def _metrics(
    spec: Spec,
    manifest: Manifest,
    predictor: Predictor,
    trained: dict[str, Any],
    scored: dict[str, ScoredSplit],
) -> dict[str, Any]:
    """Everything that ``metrics.json`` holds, but for collapse."""
    metrics: dict[str, Any] = {
        "run": {
            "name": spec.run_directory.name,
            "seed": spec.run.seed,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        },
        "model": _model_facts(spec, scored["test"].tasks, predictor.parameters),
        "data": {
            "rows": {name: split.rows for name, split in manifest.splits.items()},
            "fields": len(manifest.fields) + len(manifest.dense),
            "vocabulary": sum(field.cardinality for field in manifest.fields),
            "digest": manifest.digest,
        },
        "embedding_optimizer": {
            "name": spec.embedding_optimizer.name,
            "semantics": trained["embedding_optimizer_semantics"],
        },
        "train": {**trained, "monitor": spec.train.monitor},
        "evaluate": spec.evaluate.measures,
    }
    for name, result in scored.items():
        metrics[name] = {"rows": result.results.rows, **result.metrics()}
    if (gate := scored["test"].gate) is not None:
        metrics["gate"] = gate_figures(gate, scored["test"].tasks, spec.model)
    if oracle := manifest.oracle.get("test"):
        metrics["oracle"] = oracle
        metrics["share_of_oracle"] = (metrics["test"]["auc"] - 0.5) / (oracle["auc"] - 0.5)
    return metrics


def _comparable(grams: Sequence[FieldGram], pairs: Sequence[GroupPairs]) -> dict[str, Any]:
    """What single- and multi-embedding are compared by, where they have it (Figures 9 and 10a)."""
    correlation = {
        group.group: group.sub_embeddings.correlation
        for group in pairs
        if group.sub_embeddings is not None and not math.isnan(group.sub_embeddings.correlation)
    }
    figures: dict[str, Any] = {}
    if correlation:
        figures["sub_embedding_correlation"] = correlation
    if len(grams[0].widths) == 1 and (split := split_diversity(grams)):
        figures["split_diversity"] = split
    return figures


def _planted(spec: Spec, pairs: Sequence[GroupPairs]) -> dict[str, Any]:
    """What the sets have found of the patterns that generated data were planted with."""
    if spec.data.generator is None:
        return {}
    found = recover(pairs, planted_pairs(spec.data.generator))
    return {} if found is None else {"planted": asdict(found)}


def _model_facts(spec: Spec, labels: Sequence[str], parameters: ParameterCount) -> dict[str, Any]:
    """The architecture; a mixture's groups are listed in ``interaction``, with their sizes."""
    weights = [task.weight for task in spec.model.resolved_tasks]
    groups = spec.model.resolved_groups
    own = [group for group in groups if group.shares is None]
    sizes = {group.embedding_dim for group in own}
    mixture = " + ".join(map(_group_text, groups))
    return {
        "interaction": groups[0].interaction if len(groups) == 1 else mixture,
        "groups": len(groups),
        "sets": sum(group.sets for group in own),
        "embedding_dim": sizes.pop() if len(sizes) == 1 else None,
        "head": spec.model.head,
        "task_weights": dict(zip(labels, weights, strict=True)),
        "tables": spec.model.tables,
        "parameters": asdict(parameters),
    }


def _group_text(group: GroupSpec) -> str:
    if group.shares is not None:
        return f"{group.interaction} on the sets of g{group.shares}"
    return f"{group.interaction} {group.sets} x {group.embedding_dim}"


def _write(
    directory: RunDirectory,
    spec: Spec,
    metrics: dict[str, Any],
    scored: ScoredSplit,
    collapse: list[FieldCollapse],
    pairs: list[GroupPairs],
) -> None:
    """The report, then ``metrics.json``, then the result for a person."""
    text = json.dumps(metrics, indent=1, allow_nan=False) + "\n"
    with writable(directory.path):
        page = write_report(
            directory.path,
            metrics,
            read_journal(directory.journal_file),
            collapse,
            pairs,
            scored.results.curve,
            to_toml(spec),
        )
        write_whole(directory.metrics_file, text.encode())
    test = metrics["test"]
    for label, figures in test["tasks"].items() if "tasks" in test else [("", test)]:
        print(
            f"{directory.path}: test AUC{f' of {label}' if label else ''} {figures['auc']:.5f}"
            f"{_asides(figures)}, logloss {figures['logloss']:.5f}, "
            f"normalised entropy {figures['normalized_entropy']:.5f}, "
            f"calibration {figures['calibration']:.3f} over {test['rows']:,} rows"
        )
    if "oracle" in metrics:
        print(
            f"true probabilities: AUC {metrics['oracle']['auc']:.5f}; "
            f"the model is {metrics['share_of_oracle']:.1%} of the way there from 0.5"
        )
    print(f"report: {page}")


def _asides(figures: dict[str, float]) -> str:
    """What else there is to say of an AUC: its error, where it has one, and GAUC."""
    within = f" (within {figures['auc_error_bound']:.0e})" if "auc_error_bound" in figures else ""
    grouped = f", GAUC {figures['gauc']:.5f}" if "gauc" in figures else ""
    return within + grouped
