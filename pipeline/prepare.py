"""Prepares raw click logs for training.

    python -m pipeline.prepare SPEC [key=value ...] [--verify]

    python -m pipeline.prepare specs/demo.toml
    python -m pipeline.prepare specs/criteo_head.toml data.source=train.txt prepare.threads=8
    python -m pipeline.prepare specs/criteo_head.toml --verify

Reads the log that the spec's ``data`` section names and writes the dataset directory
(``data.directory``, or ``dataset`` in ``run.directory``): vocabularies, ids in Parquet parts for
train, valid and test, and ``manifest.json``. A dataset that is already there, whole and unchanged,
is left as it is; any other is replaced. A directory that holds anything else is refused. Exit
codes: 0 done, 2 bad input, 130 interrupted (143 by SIGTERM).

A table shows what the fields hold, and a line each warns of what would hurt a model: a field that
gives the label away or says nothing, a split unlike the others. ``overview.html`` in the dataset
directory shows more, the log's most frequent values among it; ``overview.json`` has the same facts.

A run that is killed, interrupted or out of disk space leaves ``<dataset>.partial``; the same
command takes it up. It parses no row again and writes no part again, but reads the sources' bytes
again unless all had been read, and scans the times again for a split by time. A changed spec or
source starts afresh.

``prepare.engine=dask prepare.scheduler=tcp://host:8786`` works on a Dask cluster (``pip install
'multi-embedding-pipeline[dask]'``). This process reads the sources and sends blocks of rows to the
workers, which write to ``<dataset>.partial``: put the dataset on a file system that they all see at
the same path. ``python -m pipeline.prepare_dask --help`` tells of a cluster for one preparation.

``--verify`` prepares nothing. It compares every file of the dataset directory with the manifest's
digests, rows and ids, the manifest with the spec, and the sources, where they still are, with their
digests; a line for each fault, and exit code 2 when there is one.
"""

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from pipeline.console import InputError, run_entry_point, spec_arguments, without_credentials
from pipeline.data.generator.generate import generate
from pipeline.data.manifest import SPLITS, Manifest, Split, read_manifest
from pipeline.data.overview.files import PAGE_FILE, read_overview
from pipeline.data.overview.terminal import print_fields, print_warnings
from pipeline.data.preparation.build import Oracle, build
from pipeline.data.preparation.splits import split_of_rows
from pipeline.data.preparation.unchanged import unchanged
from pipeline.data.preparation.verification import absent_sources, find_faults
from pipeline.metrics.auc import auc
from pipeline.metrics.logloss import logloss
from pipeline.spec import Spec
from pipeline.spec_file import load_spec

VERIFY = "--verify"


def main(arguments: list[str]) -> None:
    """Runs the stage on ``SPEC [key=value ...]``."""
    path, overrides = spec_arguments([word for word in arguments if word != VERIFY], __doc__)
    spec = load_spec(Path(path), overrides)
    if VERIFY in arguments:
        _verify(spec)
        return
    manifest = unchanged(spec)
    if manifest:
        print("unchanged, skipped: the dataset is whole and has the spec's settings and sources")
    else:
        oracle = _generate(spec)
        begun = time.monotonic()
        manifest = build(spec, oracle)
        seconds = time.monotonic() - begun
        print(f"prepared {manifest.rows_read / seconds:,.0f} rows/s in {seconds:.1f} s")
    console, overview = Console(), read_overview(spec.dataset_directory)
    print_fields(console, overview)
    print(_summary(spec, manifest))
    print_warnings(console, overview)


def _verify(spec: Spec) -> None:
    """Says that the dataset is sound, or raises with all its faults."""
    if faults := find_faults(spec):
        raise InputError("\n".join(faults))
    manifest = read_manifest(spec.dataset_directory)
    parts = sum(len(split.parts) for split in manifest.splits.values())
    print(f"verified: {parts} parts and {len(manifest.vocabularies)} vocabularies are as prepared")
    for location in absent_sources(spec):
        print(f"not compared, for it is not there: {without_credentials(location)}")
    print(_summary(spec, manifest))


def _generate(spec: Spec) -> Oracle:
    """Makes the source where the spec says how, and scores its true probabilities by split."""
    if spec.data.generator is None:
        return {}
    made = generate(Path(spec.data.locations[0]), spec.data.generator)
    splits = split_of_rows(0, len(made.labels), spec.prepare.ratios, spec.prepare.seed)
    oracle: Oracle = {}
    for index, name in enumerate(SPLITS):
        labels, scores = made.labels[splits == index], made.probabilities[splits == index]
        if len(np.unique(labels)) == 2:
            oracle[name] = {"auc": auc(labels, scores), "logloss": logloss(labels, scores)}
    return oracle


def _positive_rates(split: Split) -> str:
    """The share of label 1; of each label by name where there are several."""
    rates = {label: count / max(split.rows, 1) for label, count in split.positives.items()}
    if len(rates) == 1:
        return f"{next(iter(rates.values())):.1%} positive"
    return ", ".join(f"{rate:.2%} {label}" for label, rate in rates.items())


def _summary(spec: Spec, manifest: Manifest) -> str:
    """What stands where, for a person."""
    lines = []
    for name in SPLITS:
        split = manifest.splits[name]
        lines.append(f"  {name:<12}{split.rows:>13,} rows, {_positive_rates(split)}")
    kinds = sorted({field.kind for field in manifest.fields})
    counts = [sum(field.kind == kind for field in manifest.fields) for kind in kinds]
    detail = ", ".join(f"{count} {kind}" for count, kind in zip(counts, kinds, strict=True))
    lines.append(f"  {'fields':<12}{len(manifest.fields):>13,} ({detail})")
    vocabulary = sum(field.cardinality for field in manifest.fields)
    frozen = f"those of {spec.data.vocabulary_from}"
    learnt = frozen if manifest.vocabulary == "frozen" else f"learnt on {manifest.vocabulary}"
    lines.append(f"  {'vocabulary':<12}{vocabulary:>13,} ids, {learnt}")
    if manifest.dense:
        lines.append(f"  {'dense':<12}{len(manifest.dense):>13,} fields")
    lines.append(f"  {'skipped':<12}{sum(manifest.rows_skipped.values()):>13,} rows")
    lines += [f"  {'':<12}{count:>13,} {why}" for why, count in manifest.rows_skipped.items()]
    if "test" in manifest.oracle:
        lines.append(f"  {'oracle':<12}{manifest.oracle['test']['auc']:>13.4f} test AUC")
    lines.append(f"  dataset in {spec.dataset_directory}, a look at it in {PAGE_FILE} there")
    return "\n".join(lines)


if __name__ == "__main__":
    run_entry_point(main)
