"""A study's results as CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from pipeline.spec_study import StudySpec
from pipeline.study.advice import Verdict, verdicts_of
from pipeline.study.results import Entry, Result
from pipeline.study.tables import ADVICE_HEAD, MEASURES, advice_row


def cells_csv(results: Sequence[Result]) -> str:
    """A line a cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(flat(results[0])) if results else ["cell"])
    writer.writeheader()
    writer.writerows(map(flat, results))
    return buffer.getvalue()


def summary_csv(entries: Sequence[Entry]) -> str:
    """A line a row and factor: what the tables hold."""
    buffer = io.StringIO()
    lines = [_summary(entry) for entry in entries]
    writer = csv.DictWriter(buffer, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def as_json(study: StudySpec, entries: Sequence[Entry], results: Sequence[Result]) -> str:
    """The study's spec, its summary and its cells."""
    values = {
        "study": study.model_dump(mode="json"),
        "summary": [_summary(entry) for entry in entries],
        "advice": [
            dict(zip(ADVICE_HEAD, advice_row(one), strict=True)) for one in _verdicts(entries)
        ],
        "cells": [flat(result) for result in results],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


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
