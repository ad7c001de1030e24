"""What a study's cells measured, and what it comes to over seeds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from pipeline.diagnostics.best_validation import validations
from pipeline.spec_study import StudySpec
from pipeline.study.cells import Cell, Row, cell_row, has_own_data, rows_of
from pipeline.study.significance import Comparison, compare
from pipeline.training.run_directory import RunDirectory, read_journal

Place = tuple[Row, int]


@dataclass(frozen=True)
class Result:
    """A finished cell's figures, from its ``metrics.json``.

    Attributes:
        valid_auc: of the best epoch's weights, which were tested.
        lowest_valid_logloss: of all validations, whichever epoch was the best by
            ``train.monitor``; None where the run's journal is gone, as the next.
        valid_auc_there: of the same validation.
        information_abundance: mean over fields, all sets of a field side by side.
        diversity: mean over fields and pairs of sets; of a single set of k K columns, between its
            k parts (paper, Figure 10a). None for one set of K.
        sub_embedding_correlation: how far a field's sub-embeddings follow the information
            abundance of the fields they meet (paper, Figure 9); None without sub-embeddings.
        oracle_auc: of the true probabilities; None for real data, as the four that follow.
        share_of_oracle: how much of the way from 0.5 to it test AUC has gone.
        planted_auc: the chance that a planted pair has larger weights than one that means nothing.
        best_set_auc: that of a pattern in its best set, against all other pairs; mean of patterns.
        specialisation: how far each set works on one pattern; None for one set or pattern.
        advice: what the run's report recommends in two words; None for runs of earlier versions.
        embedding_parameters, dense_parameters: how many.
        seconds: of training, without validation.
        updates: ``dense`` moves every row of a table at every step, ``sparse`` those of the batch,
            ``mixed`` every row of some tables.
    """

    cell: Cell
    auc: float
    logloss: float
    valid_auc: float
    lowest_valid_logloss: float | None
    valid_auc_there: float | None
    information_abundance: float
    diversity: float | None
    sub_embedding_correlation: float | None
    oracle_auc: float | None
    share_of_oracle: float | None
    planted_auc: float | None
    best_set_auc: float | None
    specialisation: float | None
    advice: str | None
    embedding_parameters: int
    dense_parameters: int
    samples_per_second: float
    seconds: float
    epochs: int
    best_epoch: int
    updates: str


@dataclass(frozen=True)
class Published:
    """A paper's figures, None where it has none; the deviation is of AUC over its seeds."""

    auc: float | None
    deviation: float | None
    information_abundance: float | None


@dataclass(frozen=True)
class Entry:
    """A row at a factor, over its seeds.

    Attributes:
        results: one a seed; none where no cell of it is finished.
        seeds: how many the study has; some of a row's may fail, or be left out at a large factor.
        dataset: the variant whose own dataset it is of, empty for the base's.
        over_base: its test AUC over that of the interaction's single embedding at the smallest
            factor, on the same data and without a variant.
        over_single: a multi-embedding's over the single embedding of the same factor.
        over_plain: a variant's over the grid's own row at the same factor.
        published: what the paper has here.
    """

    row: Row
    factor: int
    results: tuple[Result, ...]
    seeds: int
    dataset: str = ""
    over_base: Comparison | None = None
    over_single: Comparison | None = None
    over_plain: Comparison | None = None
    published: Published | None = None

    def mean(self, figure: str) -> float | None:
        """The mean over seeds of a figure of ``Result``; None where it has no value."""
        values = self.values(figure)
        return fmean(values) if values else None

    def deviation(self, figure: str) -> float | None:
        """The standard deviation over seeds, with n - 1; None for fewer than two."""
        values = self.values(figure)
        return stdev(values) if len(values) > 1 else None

    def values(self, figure: str) -> list[float]:
        """The figure of every seed that has it."""
        found = [getattr(result, figure) for result in self.results]
        return [value for value in found if value is not None]


def read_result(cell: Cell) -> Result:
    """The figures of an evaluated cell."""
    directory = RunDirectory(cell.directory)
    metrics = json.loads(directory.metrics_file.read_text())
    points = validations(read_journal(directory.journal_file))
    lowest = min(points, key=lambda point: point["logloss"], default={})
    collapse, parameters, train = (
        metrics["collapse"],
        metrics["model"]["parameters"],
        metrics["train"],
    )
    planted = metrics.get("planted", {})
    return Result(
        cell,
        auc=metrics["test"]["auc"],
        logloss=metrics["test"]["logloss"],
        valid_auc=metrics["valid"]["auc"],
        lowest_valid_logloss=lowest.get("logloss"),
        valid_auc_there=lowest.get("auc"),
        information_abundance=collapse["information_abundance"]["mean"],
        diversity=_diversity(collapse, cell.factor),
        sub_embedding_correlation=_only(collapse.get("sub_embedding_correlation", {})),
        oracle_auc=metrics.get("oracle", {}).get("auc"),
        share_of_oracle=metrics.get("share_of_oracle"),
        planted_auc=planted.get("auc"),
        best_set_auc=_best_set_auc(planted.get("patterns", [])),
        specialisation=planted.get("specialisation"),
        advice=metrics.get("recommendation", {}).get("advice"),
        embedding_parameters=parameters["embedding"],
        dense_parameters=parameters["dense"],
        samples_per_second=train["samples_per_second"],
        seconds=train["seconds"],
        epochs=train["epochs"],
        best_epoch=train["best_epoch"],
        updates=metrics["embedding_optimizer"]["semantics"],
    )


def _diversity(collapse: dict[str, Any], factor: int) -> float | None:
    if "diversity" in collapse:
        return collapse["diversity"]["mean"]
    return collapse.get("split_diversity", {}).get(str(factor))


def _best_set_auc(patterns: Sequence[dict[str, Any]]) -> float | None:
    found = [one["best_set_auc"] for one in patterns if one["best_set_auc"] is not None]
    return fmean(found) if found else None


def _only(by_group: dict[str, float]) -> float | None:
    """The figure of a model of one group; the cells of a study have one."""
    return next(iter(by_group.values()), None)


def entries_of(study: StudySpec, results: Iterable[Result]) -> list[Entry]:
    """An entry for each row and factor of the study, in the table's order.

    Multi-embedding at factor 1 has the results of the single cell where the two are one.
    """
    found: dict[tuple[Row, int], list[Result]] = {}
    for result in results:
        found.setdefault((result.cell.row, result.cell.factor), []).append(result)
    entries = {
        (row, factor): tuple(found.get((cell_row(study, row, factor), factor), ()))
        for row in rows_of(study)
        for factor in sorted(study.grid.factors)
    }
    published = _published(study)
    return [
        Entry(
            row,
            factor,
            own,
            len(study.grid.seeds),
            _dataset(study, row),
            over_base=_over(entries, own, _base(study, row)),
            over_single=_over(entries, own, (replace(row, embedding="single"), factor)),
            over_plain=_over(entries, own, (replace(row, variant=""), factor))
            if not has_own_data(study, row)
            else None,
            published=published.get((row, factor)),
        )
        for (row, factor), own in entries.items()
    ]


def _over(
    entries: dict[Place, tuple[Result, ...]], own: Sequence[Result], other: Place
) -> Comparison | None:
    """The comparison with another place's results, unless they are the same cells."""
    others = entries.get(other, ())
    if not own or not others or own[0].cell == others[0].cell:
        return None
    return compare(_aucs(own), _aucs(others))


def _aucs(results: Sequence[Result]) -> dict[int, float]:
    """Test AUC by seed."""
    return {result.cell.seed: result.auc for result in results}


def _base(study: StudySpec, row: Row) -> Place:
    """The single embedding at the smallest factor, on the same data."""
    return replace(row, embedding="single", variant=_dataset(study, row)), min(study.grid.factors)


def _dataset(study: StudySpec, row: Row) -> str:
    """The variant whose own dataset the row is of; empty for the base's."""
    return row.variant if has_own_data(study, row) else ""


def _published(study: StudySpec) -> dict[Place, Published]:
    return {
        (Row(given.base, given.interaction, given.variant, given.embedding), factor): Published(
            *(
                values[place] if values else None
                for values in (given.auc, given.deviation, given.information_abundance)
            )
        )
        for given in study.published
        for place, factor in enumerate(given.factors)
    }
