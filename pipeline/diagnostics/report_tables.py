"""The report's words and figures in HTML: tiles, tables and lists."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean
from typing import Any

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.collapse_plots import sparkline
from pipeline.metrics.names import IN_WORDS
from pipeline.page import elements
from pipeline.page.elements import ABSENT, percent


def model_line(metrics: Mapping[str, Any]) -> str:
    """The model, the seed and the date, in one line."""
    model, run = metrics["model"], metrics["run"]
    sets = "single embedding" if model["sets"] == 1 else f"{model['sets']} embedding sets"
    # A mixture's line has each group's.
    size = f" of {model['embedding_dim']} dimensions" if model["groups"] == 1 else ""
    parts = [
        f"{model['interaction']}, {sets}{size}",
        f"{model['head']} head",
        f"{model['tables']} tables",
        f"seed {run['seed']}",
        *([str(run["date"])] if "date" in run else []),
    ]
    return " · ".join(f"<span>{escape(part)}</span>" for part in parts)


def tiles(metrics: Mapping[str, Any], collapse: Sequence[FieldCollapse]) -> str:
    """The headline figures, each with what it means."""
    test = metrics["test"]
    abundance = fmean(field.together.information_abundance for field in collapse)
    auc_note = "the chance that a positive ranks above a negative"
    if "oracle" in metrics:
        share, best = metrics["share_of_oracle"], metrics["oracle"]["auc"]
        auc_note = f"{percent(share)} of the way from 0.5 to the oracle's {best:.4f}"
    return elements.tiles(
        [
            ("Test AUC", f"{test['auc']:.4f}", auc_note),
            ("Logloss", f"{test['logloss']:.4f}", "on the test split, in nats"),
            (
                "Normalised entropy",
                f"{test['normalized_entropy']:.4f}",
                "below 1 beats predicting the base rate",
            ),
            ("Calibration", f"{test['calibration']:.3f}", "predicted over observed positives"),
            (
                "Information abundance",
                f"{abundance:.2f}",
                f"mean of {len(collapse)} fields; {collapse[0].together.dimensions} at the most",
            ),
        ]
    )


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Test, validation and, on generated data, the true probabilities as the oracle."""
    measures = {
        "AUC": ("auc", "{:.4f}"),
        **({"GAUC": ("gauc", "{:.4f}")} if "gauc" in metrics["test"] else {}),
        "Logloss": ("logloss", "{:.4f}"),
        "Normalised entropy": ("normalized_entropy", "{:.4f}"),
        "Calibration": ("calibration", "{:.3f}"),
        "Rows": ("rows", "{:,}"),
    }
    splits = {"test": "Test", "valid": "Validation", "oracle": "Oracle"}
    known = {key: title for key, title in splits.items() if key in metrics}
    rows = [
        [
            title,
            *(
                style.format(metrics[key][name]) if name in metrics[key] else ABSENT
                for key in known
            ),
        ]
        for title, (name, style) in measures.items()
    ]
    table = elements.table("metrics", "Metrics by split", ["Measure", *known.values()], rows)
    if "oracle" not in metrics:
        return table
    return (
        f'{table}\n<p class="hint">Oracle: the true probabilities of the generated test rows.</p>'
    )


def tasks_table(metrics: Mapping[str, Any]) -> str:
    """Every task's metrics, where there are several."""
    if "tasks" not in metrics["test"]:
        return ""
    head = ["Task", "Test AUC", "Logloss", "Normalised entropy", "Calibration", "Validation AUC"]
    rows = [
        [
            escape(label),
            f"{figures['auc']:.4f}",
            f"{figures['logloss']:.4f}",
            f"{figures['normalized_entropy']:.4f}",
            f"{figures['calibration']:.3f}",
            f"{metrics['valid']['tasks'][label]['auc']:.4f}",
        ]
        for label, figures in metrics["test"]["tasks"].items()
    ]
    first = escape(next(iter(metrics["test"]["tasks"])))
    return "\n".join(
        [
            '\n<h3 id="tasks">By task</h3>',
            elements.table("tasks", "Metrics by task", head, rows),
            '<p class="hint">The figures above, the AUC by step and the calibration below are of '
            f"the first task, {first}; the loss by step is the weighted sum of all tasks'. "
            f"{_chosen_by(metrics['train']['monitor'], first)}</p>",
        ]
    )


def _chosen_by(monitor: str, first: str) -> str:
    """By what the tested epoch was chosen, where there are several tasks."""
    by = "that loss" if monitor == "loss" else f"{first}'s {IN_WORDS[monitor]}"
    return f"The best epoch was chosen by {by} on the validation split."


def field_table(collapse: Sequence[FieldCollapse], weighted: bool) -> str:
    """Every field's verdict and measures, the most collapsed first.

    Args:
        collapse: the fields.
        weighted: whether it is known how often rows occur.
    """
    several = any(len(field.sets) > 1 for field in collapse)
    of_counts = ["Weighted"] if weighted else []
    of_sets = ["Each set", "Diversity"] if several else []
    measures = ["Information abundance", "Of random", *of_counts, *of_sets]
    head = ["Field", "Verdict", *measures, "Effective rank", "Participation ratio", "Rows"]
    ranked = sorted(
        collapse, key=lambda field: (field.used_share, field.together.information_abundance)
    )
    rows = [
        [
            escape(field.name),
            _verdict(field),
            f"{field.together.information_abundance:.2f}",
            f"{field.abundance_over_random:.2f}",
            *([f"{field.weighted.information_abundance:.2f}"] if weighted else []),
            *([_set_range(field), _diversity(field)] if several else []),
            f"{field.together.effective_rank:.2f}",
            f"{field.together.participation_ratio:.2f}",
            f"{field.cardinality:,}",
            sparkline(field.together),
        ]
        for field in ranked
    ]
    head.append("Spectrum, 1 to 0.001")
    return elements.table("fields", "Collapse by field", head, rows, text=["Verdict"])


def _verdict(field: FieldCollapse) -> str:
    level = field.level
    return (
        f'<span class="level {level.split()[0]}">{level}</span> '
        f'<span class="verdict">{field.verdict.replace(" %", "&nbsp;%")}</span>'
    )


def _set_range(field: FieldCollapse) -> str:
    if len(field.sets) == 1:
        return ABSENT
    values = [one.information_abundance for one in field.sets]
    return f"{min(values):.2f} to {max(values):.2f}"


def _diversity(field: FieldCollapse) -> str:
    return ABSENT if field.diversity is None else f"{field.diversity:.2f}"


def facts(metrics: Mapping[str, Any]) -> str:
    """The data, the model's size and the training, as a list."""
    rows, data, train = metrics["data"]["rows"], metrics["data"], metrics["train"]
    parameters = metrics["model"]["parameters"]
    entries = {
        "Training rows": f"{rows['train']:,}",
        "Validation rows": f"{rows['valid']:,}",
        "Test rows": f"{rows['test']:,}",
        "Fields": f"{data['fields']:,}",
        "Vocabulary": f"{data['vocabulary']:,} ids",
        "Embedding parameters": f"{parameters['embedding']:,}",
        "Dense parameters": f"{parameters['dense']:,}",
        "Embedding optimizer": escape(str(metrics["embedding_optimizer"]["name"])),
        "Training": f"{train['epochs']:,} epochs, {train['steps']:,} steps",
        "Time": _duration(train["seconds"]),
        "Speed": f"{train['samples_per_second']:,.0f} samples/s",
    }
    return elements.fact_list(entries.items())


# What becomes of rows that are not in the batch, by the updates' name.
_OTHER_ROWS = {
    "dense": "move too",
    "sparse": "stay",
    "mixed": "move too in tables that every rank holds whole (data_parallel), stay in others",
}


def optimizer_note(metrics: Mapping[str, Any]) -> str:
    """Why figures are comparable only under one optimizer, and which it was."""
    optimizer = metrics["embedding_optimizer"]
    return (
        f"These tables were trained by {escape(str(optimizer['name']))}, whose updates are "
        f"{escape(str(optimizer['semantics']))}: rows that are not in the batch "
        f"{_OTHER_ROWS[optimizer['semantics']]}. That changes information "
        "abundance by some 20&nbsp;%, so compare runs under the same updates only."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
