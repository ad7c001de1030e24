"""The report's section on planted data: which patterns the sets have found."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipeline.page.elements import ABSENT, table, table_section


def planted_section(metrics: Mapping[str, Any]) -> str:
    """A line a pattern; empty where the data were not planted, or weights are not by pair."""
    if "planted" not in metrics:
        return ""
    planted: Mapping[str, Any] = metrics["planted"]
    return table_section(
        "planted",
        "Have the sets found the planted patterns?",
        _lead(planted),
        "Planted patterns",
        _table(planted["patterns"]),
        "Found: the chance that the weights by which a pair of the pattern "
        "meets have a larger norm, over all sets together, than those of a pair of no pattern. "
        "Best set: where the pattern's pairs stand out most from all others, those of other "
        "patterns among them, and the chance there. 1 is all of them, 0.5 what is expected of "
        "nothing learnt.",
    )


def _lead(planted: Mapping[str, Any]) -> str:
    count = len(planted["patterns"])
    noun, whose = ("one pattern", "Its") if count == 1 else (f"{count} patterns", "Their")
    sentences = [
        f"The data were planted with {noun}. {whose} pairs outrank pairs that mean nothing with a "
        f"chance of {_figure(planted['auc'])}."
    ]
    if planted["specialisation"] is not None:
        sentences.append(
            f"Sets are specialised to {planted['specialisation']:.2f}: 0 means that all weigh the "
            "patterns alike, 1 that each works on one."
        )
    return " ".join(sentences)


def _table(patterns: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            str(number),
            escape(", ".join(" and ".join(pair) for pair in pattern["pairs"])),
            _figure(pattern["auc"]),
            str(pattern["best_set"]),
            _figure(pattern["best_set_auc"]),
        ]
        for number, pattern in enumerate(patterns, start=1)
    ]
    head = ["Pattern", "Pairs of fields", "Found", "Best set", "Found there"]
    return table("planted", "Planted patterns", head, rows, text=("Pairs of fields",))


def _figure(chance: float | None) -> str:
    return ABSENT if chance is None else f"{chance:.3f}"
