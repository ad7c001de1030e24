"""``checkpoint.json``: what a checkpoint holds and where, and whether all of it is there."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.data.whole_files import file_digest
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.early_stopping import EarlyStopping

RECORD_FILE = "checkpoint.json"
FORMAT = 1
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
}


class DamagedCheckpointError(Exception):
    """A checkpoint is not what was written. The message says what is wrong with it."""


@dataclass(frozen=True)
class StoredBox:
    """Where a box lies: its place in the tensor, its file, and its first byte in that file."""

    offsets: tuple[int, ...]
    shape: tuple[int, ...]
    file: str
    first_byte: int


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of a checkpoint. ``dtype`` is torch's name without ``torch.``."""

    dtype: str
    shape: tuple[int, ...]
    boxes: tuple[StoredBox, ...]

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type of the values."""
        return _DTYPES[self.dtype]


@dataclass(frozen=True)
class FileEntry:
    """A file of a checkpoint, with its SHA-256."""

    bytes: int
    digest: str


@dataclass(frozen=True)
class CheckpointRecord:
    """All of a checkpoint but the values of its tensors.

    Attributes:
        progress: where the training stood.
        identity: the settings that shaped the weights, and the dataset, by dotted key.
        tensors: by name.
        files: by name.
    """

    progress: Progress
    identity: dict[str, Any]
    tensors: dict[str, TensorEntry]
    files: dict[str, FileEntry]

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read_record(directory: Path) -> CheckpointRecord:
    """Reads ``checkpoint.json``, and checks that all files are there at their full length.

    Raises:
        DamagedCheckpointError: it is not so.
    """
    try:
        values = json.loads((directory / RECORD_FILE).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise DamagedCheckpointError(
                f"its format is {values['format']!r}, this program reads {FORMAT}"
            )
        record = _from_values(values)
    except OSError as error:
        raise DamagedCheckpointError(f"{RECORD_FILE}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f"{RECORD_FILE} is broken: {error!r}") from None
    for name, entry in record.files.items():
        _check_length(directory / name, entry.bytes)
    return record


def _check_length(path: Path, expected: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DamagedCheckpointError(f"{path.name}: {error.strerror}") from None
    if found != expected:
        raise DamagedCheckpointError(f"{path.name} has {found:,} bytes instead of {expected:,}")


def check_digest(directory: Path, name: str, entry: FileEntry) -> None:
    """Reads a whole file and compares its digest.

    Raises:
        DamagedCheckpointError: it has other bytes than were written.
    """
    try:
        found = file_digest(directory / name)
    except OSError as error:
        raise DamagedCheckpointError(f"{name}: {error.strerror}") from None
    if found != entry.digest:
        raise DamagedCheckpointError(f"{name} holds other bytes than were written")


def _from_values(values: dict[str, Any]) -> CheckpointRecord:
    progress = dict(values["progress"])
    stopping = EarlyStopping(**progress.pop("stopping"))
    return CheckpointRecord(
        progress=Progress(stopping=stopping, **progress),
        identity=dict(values["identity"]),
        tensors={name: _tensor(entry) for name, entry in values["tensors"].items()},
        files={name: FileEntry(**entry) for name, entry in values["files"].items()},
    )


def _tensor(values: dict[str, Any]) -> TensorEntry:
    boxes = tuple(
        StoredBox(tuple(box["offsets"]), tuple(box["shape"]), box["file"], box["first_byte"])
        for box in values["boxes"]
    )
    if values["dtype"] not in _DTYPES:
        raise ValueError(f"dtype {values['dtype']!r}")
    return TensorEntry(values["dtype"], tuple(values["shape"]), boxes)
