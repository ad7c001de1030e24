"""Results of studies that nobody has run."""

from collections.abc import Callable

from pipeline.spec_study import StudySpec
from pipeline.study.cells import Cell, cells_of
from pipeline.study.results import Result

StudyMaker = Callable[..., StudySpec]


def result_of(cell: Cell, auc: float) -> Result:
    """A finished cell's figures, of which only the AUC is of interest."""
    return Result(
        cell,
        auc=auc,
        logloss=0.4,
        valid_auc=auc,
        lowest_valid_logloss=0.38,
        valid_auc_there=auc - 0.01,
        information_abundance=3.0 * cell.factor,
        diversity=0.5 if cell.row.embedding == "multi" else None,
        sub_embedding_correlation=0.6,
        oracle_auc=None,
        share_of_oracle=None,
        planted_auc=None,
        best_set_auc=None,
        specialisation=None,
        advice=None,
        embedding_parameters=1000 * cell.factor,
        dense_parameters=100 * cell.factor,
        samples_per_second=5000 / cell.factor,
        seconds=60.0,
        epochs=3,
        best_epoch=2,
        updates="dense",
    )


def finished(study: StudySpec, aucs: dict[str, float]) -> list[Result]:
    """Results of the cells whose run directory's name is a key, with the AUC that it names."""
    cells = {cell.directory.name: cell for cell in cells_of(study)}
    return [result_of(cells[name], auc) for name, auc in aucs.items()]
