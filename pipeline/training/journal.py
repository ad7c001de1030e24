"""What a training leaves to read: a line of JSON and TensorBoard points for every log point."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.collapse_images import Pixels
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.run_directory import RunDirectory, read_journal, writable

# Points of a step; those of other kinds are of a validation.
STEP_KINDS = ("train", "gate")


class Journal:
    """Writes ``metrics.jsonl`` and ``tensorboard/`` of a run, from where it stands on.

    Points beyond that come from a run that was killed later than its last checkpoint; they are
    dropped, since those steps are about to be taken, and those validations made, again.

    All methods raise InputError where the run directory cannot be written.
    """

    def __init__(self, directory: RunDirectory, progress: Progress) -> None:
        self._path = directory.path
        with writable(self._path):
            _drop_beyond(directory.journal_file, progress)
            self._file = directory.journal_file.open("a", encoding="utf-8")
            self._writer = SummaryWriter(str(directory.tensorboard), purge_step=progress.step + 1)

    def text(self, name: str, content: str) -> None:
        """A preformatted text for TensorBoard's text tab."""
        lines = "\n".join(f"    {line}" for line in content.splitlines())
        with writable(self._path):
            self._writer.add_text(name, lines, 0)

    def write(self, kind: str, step: int, epoch: int, values: dict[str, Any]) -> None:
        """One log point: a line of the file, and a TensorBoard scalar ``kind/name`` a number.

        Values may be dictionaries of values, whose scalars are ``kind/name/name``.
        """
        self._add(kind, step, epoch, line=values, shown=values)

    def write_by(self, what: str, kind: str, step: int, epoch: int, values: dict[str, Any]) -> None:
        """The same of values by names that are not ours, which the line has under ``what``.

        A field or a label may be called ``step`` too. TensorBoard's names are without ``what``.
        """
        self._add(kind, step, epoch, line={what: values}, shown=values)

    def _add(
        self, kind: str, step: int, epoch: int, line: dict[str, Any], shown: dict[str, Any]
    ) -> None:
        point = {"kind": kind, "step": step, "epoch": epoch, **line}
        with writable(self._path):
            self._file.write(json.dumps(point) + "\n")
            self._file.flush()
            for name, value in _scalars(kind, shown):
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def image(self, name: str, pixels: Pixels, step: int) -> None:
        """A picture (height, width, 3) for TensorBoard's images tab."""
        with writable(self._path):
            self._writer.add_image(name, pixels, step, dataformats="HWC")

    def hyperparameters(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """The settings of the run beside what came of it, for TensorBoard's hparams tab."""
        # Under the run's own name: add_hparams would make another run of it.
        with writable(self._path):
            self._writer.add_hparams(settings, metrics, run_name=".")

    def close(self) -> None:
        """Flushes and closes both."""
        with writable(self._path):
            self._file.close()
            self._writer.close()


def _scalars(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, part in value.items():
        yield from _scalars(f"{name}/{key}", part)


def _drop_beyond(path: Path, progress: Progress) -> None:
    kept = [
        point
        for point in read_journal(path)
        if point["step"] <= progress.step
        and (point["kind"] in STEP_KINDS or point["step"] <= progress.stopping.last_step)
    ]
    write_whole(path, "".join(json.dumps(point) + "\n" for point in kept).encode())
