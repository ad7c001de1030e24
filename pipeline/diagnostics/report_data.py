"""The report's figures as data: ``collapse.json``, ``fields.csv`` and ``pairs.csv``."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.diagnostics.collapse import VERDICT_ENERGY, FieldCollapse
from pipeline.diagnostics.pairs import GroupPairs

_FIELD_COLUMNS = (
    "field",
    "rows",
    "dimensions",
    "information_abundance",
    "abundance_by_dimension",
    "abundance_over_random",
    "weighted_information_abundance",
    "effective_rank",
    "participation_ratio",
    "dimensions_for_95_percent_of_energy",
    "diversity",
    "level",
)


def collapse_json(collapse: Sequence[FieldCollapse]) -> bytes:
    """Every measure of every field and set, singular values included."""
    return (json.dumps([asdict(field) for field in collapse], indent=1) + "\n").encode()


def fields_csv(collapse: Sequence[FieldCollapse]) -> bytes:
    """A line a field, all sets side by side; an empty cell where a measure is not defined."""
    return as_csv(_FIELD_COLUMNS, (_field_line(field) for field in collapse))


def pairs_csv(pairs: Sequence[GroupPairs]) -> bytes:
    """A line an ordered pair of fields and group: sub-embedding, and the weights' norm by set.

    An empty cell where a group has none of them, or fewer sets than another.
    """
    most_sets = max(
        (len(group.patterns) for group in pairs if group.patterns is not None), default=0
    )
    norms = [f"norm_set_{place + 1}" for place in range(most_sets)]
    columns = ["group", "field", "meets", "sub_embedding_information_abundance", *norms]
    return as_csv(columns, (line for group in pairs for line in _pair_lines(group, most_sets)))


def _field_line(field: FieldCollapse) -> list[Any]:
    return [
        field.name,
        field.cardinality,
        field.together.dimensions,
        field.together.information_abundance,
        field.abundance_by_dimension,
        field.abundance_over_random,
        field.weighted.information_abundance,
        field.together.effective_rank,
        field.together.participation_ratio,
        field.together.dimensions_for(VERDICT_ENERGY),
        "" if field.diversity is None else field.diversity,
        field.level,
    ]


def _pair_lines(group: GroupPairs, most_sets: int) -> Iterator[list[Any]]:
    if group.sub_embeddings is None and group.patterns is None:
        return
    for i, name in enumerate(group.fields):
        for j, other in enumerate(group.fields):
            abundance: Any = ""
            if group.sub_embeddings is not None:
                abundance = group.sub_embeddings.of(name, other)
            norms = [] if group.patterns is None else group.patterns[:, i, j].tolist()
            absent = [""] * (most_sets - len(norms))
            yield [group.group, name, other, abundance, *norms, *absent]


def as_csv(columns: Iterable[str], lines: Iterable[Iterable[Any]]) -> bytes:
    """A CSV file: the columns' names, then the lines; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return buffer.getvalue().encode()
