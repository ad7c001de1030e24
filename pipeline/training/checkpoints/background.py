"""One write of a host copy to disk, in a thread."""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline.console import InputError
from pipeline.data.whole_files import refusals_told
from pipeline.training.checkpoints.record import FileEntry


class BackgroundWrite:
    """Writes files into directories; starts at once.

    The thread works on memory that nobody else writes to, and releases the interpreter's lock in
    its long calls (copying to the system, hashing), so training goes on beside it.
    """

    def __init__(
        self, files: Mapping[str, Sequence[torch.Tensor]], places: Mapping[Path, Iterable[str]]
    ) -> None:
        """Starts to write.

        Args:
            files: the pieces of each file by its name, flat uint8 tensors on the CPU.
            places: the names of the files that each directory gets.
        """
        self._files, self._places = files, places
        self._written: dict[str, FileEntry] = {}
        self._failure: InputError | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether files are still being written."""
        return self._thread.is_alive()

    def result(self) -> dict[str, FileEntry] | str:
        """Waits for the end; the files as written, or why they could not be."""
        self._thread.join()
        return self._written if self._failure is None else str(self._failure)

    def _run(self) -> None:
        try:
            for directory, names in self._places.items():
                self._write(directory, names)
        except InputError as error:
            self._failure = error

    def _write(self, directory: Path, names: Iterable[str]) -> None:
        with writable(directory.parent):
            directory.mkdir(parents=True, exist_ok=True)
            for name in names:
                self._written[name] = _write_file(directory / name, self._files[name])


@contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Turns whatever keeps the body from writing into one line.

    Raises:
        InputError: naming the directory.
    """
    advice = "the checkpoints before it are kept. Mend it and start again"
    with refusals_told(directory, "a checkpoint cannot be written", advice):
        yield


def _write_file(path: Path, pieces: Sequence[torch.Tensor]) -> FileEntry:
    """Writes through to the disk, so that a file that a later rename relies on is there."""
    digest, length = hashlib.sha256(), 0
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            data = piece.numpy().data
            digest.update(data)
            length += len(data)
            while data:
                data = data[file.write(data) :]
        os.fsync(file.fileno())
    return FileEntry(length, digest.hexdigest())
