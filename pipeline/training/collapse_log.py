"""What a validation finds of collapse, as points and pictures of the journal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.diagnostics.collapse import Spectrum
from pipeline.diagnostics.collapse_images import abundance_image, spectra_image
from pipeline.training.journal import Journal
from pipeline.training.run_directory import read_journal

KIND = "valid_information_abundance"


class CollapseLog:
    """Writes information abundance by field, as points, and pictures of it and of the spectra.

    Args:
        journal: of the run, opened already: it drops what a resumed training does again.
        journal_file: its file, read once for the validations before.
    """

    def __init__(self, journal: Journal, journal_file: Path) -> None:
        self._journal = journal
        points = read_journal(journal_file)
        self._past = [_by_field(point) for point in points if point["kind"] == KIND]

    def write(self, step: int, epoch: int, spectra: Mapping[str, Spectrum]) -> None:
        """What one validation found, of each field with all sets side by side."""
        found = {name: one.information_abundance for name, one in spectra.items()}
        self._journal.write_by("fields", KIND, step, epoch, found)
        self._past.append(found)
        by_validation = [{name: point[name] for name in found} for point in self._past]
        self._journal.image("collapse/information_abundance", abundance_image(by_validation), step)
        self._journal.image("collapse/spectra", spectra_image(spectra), step)


def _by_field(point: dict[str, Any]) -> dict[str, float]:
    """A validation's figures. In older journals they stand beside the point's own keys."""
    return point.get("fields", point)
