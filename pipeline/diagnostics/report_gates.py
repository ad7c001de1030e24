"""The report's section on a mixture of experts: a table of its gates' statistics."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipeline.page.elements import table, table_section


def gates_section(metrics: Mapping[str, Any]) -> str:
    """Every expert's mean weight and load on the test split, by task; empty for the mean head."""
    if "gate" not in metrics:
        return ""
    by_task: Mapping[str, Any] = metrics["gate"]
    return table_section(
        "gates",
        "Which experts count?",
        _lead(by_task),
        "Experts by task",
        _table(by_task),
        "Weight: the mean over the rows of the test split. Load: the share of "
        "rows that keep the expert; where a gate keeps all experts, that have it as their "
        "first.",
    )


def _lead(by_task: Mapping[str, Any]) -> str:
    """How even the weights are, in a sentence a task."""
    several = len(by_task) > 1
    sentences = []
    for label, figures in by_task.items():
        first = max(figures["weight"], key=figures["weight"].__getitem__)
        start = f"For {escape(label)}, the" if several else "The"
        sentences.append(
            f"{start} entropy of the weights is {figures['entropy']:.2f} of the most that is "
            f"possible; {escape(first)} weighs most, {figures['weight'][first]:.2f} on average."
        )
    return " ".join(sentences)


def _table(by_task: Mapping[str, Any]) -> str:
    several = len(by_task) > 1
    heads: Sequence[str] = [
        f"{title}, {escape(label)}" if several else title
        for label in by_task
        for title in ("Weight", "Load")
    ]
    experts = next(iter(by_task.values()))["weight"]
    rows = [
        [
            escape(expert),
            *(
                _share(figures[measure][expert])
                for figures in by_task.values()
                for measure in ("weight", "load")
            ),
        ]
        for expert in experts
    ]
    return table("gates", "Experts by task", ["Expert", *heads], rows)


def _share(value: float) -> str:
    """A share of 1 as a number on a bar of that length."""
    return f'<span class="share" style="--share:{100 * value:.1f}%">{value:.3f}</span>'
