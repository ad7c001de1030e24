"""What a validation finds of collapse, as points and pictures of the journal."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.collapse_images import abundance_image, spectra_image
from pipeline.training.journal import Journal, read_journal

KIND = "valid_information_abundance"


def log_collapse(
    journal: Journal, journal_file: Path, step: int, epoch: int, collapse: Sequence[FieldCollapse]
) -> None:
    """Information abundance by field, as points; pictures of it as it went, and of the spectra."""
    journal.write(
        KIND, step, epoch, {field.name: field.together.information_abundance for field in collapse}
    )
    points = [point for point in read_journal(journal_file) if point["kind"] == KIND]
    past = [{field.name: point[field.name] for field in collapse} for point in points]
    journal.image("collapse/information_abundance", abundance_image(past), step)
    journal.image("collapse/spectra", spectra_image(collapse), step)
