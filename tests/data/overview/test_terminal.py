"""The overview at a terminal."""

import io

import numpy as np
from rich.console import Console

from pipeline.data.overview.facts import Overview
from pipeline.data.overview.terminal import print_fields, print_warnings


def printed(overview: Overview) -> tuple[str, str]:
    """The table and the warnings in a narrow terminal."""
    texts = []
    for show in (print_fields, print_warnings):
        console = Console(file=io.StringIO(), width=60)
        show(console, overview)
        texts.append(console.file.getvalue())
    return texts[0], texts[1]


def test_a_row_a_field_and_a_line_a_warning(look, rng: np.random.Generator) -> None:
    labels = rng.integers(0, 2, 600)
    columns = {
        "label": labels,
        "copy": labels,
        "word": rng.choice(["[red]", "b\x1b[31m", ""], 600, p=[0.6, 0.2, 0.2]),
        "age": labels * 0 + 4,
        "shop": rng.integers(0, 2, 600),
    }
    fields = [
        {"name": "copy"},
        {"name": "word", "minimum_count": 3},
        {"name": "age", "kind": "dense"},
        {"name": "shop", "encoding": "hash", "hash_rows": 20},
    ]
    overview = look(columns, fields)
    table, warnings = printed(overview)
    lines = table.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["copy", "word", "shop", "age"]
    word = overview.fields[1]
    missing, most = 100 * word.missing, 100 * word.frequent[0].count / 600
    assert " ".join(lines[3].split()) == (
        f"word categorical, minimum count 3 3 4 {missing:.1f} % 0 0 0 {word.auc:.3f} "
        f"{most:.1f} % [red]"
    )
    assert "(row " in lines[4]
    assert "mean 4, deviation 1" in lines[5]
    assert warnings.splitlines() == [
        f"warning: field {name!r}: {finding.text}"
        for name, finding in zip(["copy", "age"], overview.warnings, strict=True)
    ]
    assert "\x1b" not in table + warnings
