"""A study's results as CSV and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from pipeline.diagnostics.report_data import as_csv
from pipeline.spec_study import StudySpec
from pipeline.study.advice import Verdict, verdicts_of
from pipeline.study.results import Entry, Result
from pipeline.study.tables import ADVICE_HEAD, MEASURES, advice_row


def cells_csv(results: Sequence[Result]) -> bytes:
    """A line a cell."""
    lines = [flat(result) for result in results]
    return as_csv(lines[0] if lines else ["cell"], (line.values() for line in lines))


def summary_csv(entries: Sequence[Entry]) -> bytes:
    """A line a row and factor: what the tables hold."""
    lines = [_summary(entry) for entry in entries]
    return as_csv(lines[0], (line.values() for line in lines))


def as_json(study: StudySpec, entries: Sequence[Entry], results: Sequence[Result]) -> bytes:
    """The study's spec, its summary and its cells."""
    values = {
        "study": study.model_dump(mode="json"),
        "summary": [_summary(entry) for entry in entries],
        "advice": [
            dict(zip(ADVICE_HEAD, advice_row(one), strict=True)) for one in _verdicts(entries)
        ],
        "cells": [flat(result) for result in results],
    }
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


def flat(result: Result) -> dict[str, Any]:
    """A cell's place in the grid and its figures, by column."""
    place = {**asdict(result.cell.row), "factor": result.cell.factor, "seed": result.cell.seed}
    names = [field.name for field in fields(result) if field.name != "cell"]
    return {"cell": result.cell.name, **place, **{name: getattr(result, name) for name in names}}


def _summary(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = {**asdict(entry.row), "factor": entry.factor}
    values |= {"seeds": len(entry.results), "auc": entry.mean("auc")}
    values["auc_deviation"] = entry.deviation("auc")
    for name in ("over_base", "over_single", "over_plain"):
        found = getattr(entry, name)
        values |= {name: found and found.difference, f"{name}_p": found and found.p}
        values[f"{name}_seeds"] = found and found.seeds
    for figure in ("auc", "information_abundance"):
        values[f"published_{figure}"] = getattr(entry.published, figure, None)
    return values | {figure: entry.mean(figure) for _, _, figure in MEASURES}


def _verdicts(entries: Sequence[Entry]) -> list[Verdict]:
    """Those of all bases."""
    bases = dict.fromkeys(entry.row.base for entry in entries)
    return [
        verdict
        for base in bases
        for verdict in verdicts_of([entry for entry in entries if entry.row.base == base])
    ]
