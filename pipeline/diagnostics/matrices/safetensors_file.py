"""safetensors: eight bytes with the length of a header in JSON, the header, and raw tensors."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.console import InputError
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

# As in the format's description.
LONGEST_HEADER = 100_000_000
LENGTH_BYTES = 8

TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: Path) -> list[StoredTensor]:
    """The tensors that the header of a ``.safetensors`` file names, in its order.

    Raises:
        InputError: the header is none, or names bytes that the file has not.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 0 < length <= min(LONGEST_HEADER, size - LENGTH_BYTES):
            raise InputError(
                f"{path}: not a safetensors file: its header would be {length:,} bytes"
            )
        text = file.read(length)
    try:
        header = json.loads(text)
        entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, AttributeError):
        raise InputError(f"{path}: not a safetensors file: its header is not JSON's") from None
    start = LENGTH_BYTES + length
    return [_stored(path, name, entry, start, size) for name, entry in entries]


def _stored(path: Path, name: str, entry: Any, start: int, size: int) -> StoredTensor:
    """One entry of the header; its offsets count from ``start``."""
    try:
        kind, shape = str(entry["dtype"]), tuple(map(int, entry["shape"]))
        first, last = map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: the header's entry of {name!r} is not whole: {entry}") from None
    dtype = TYPES.get(kind)
    if first < 0 or start + last > size or min(shape, default=0) < 0:
        raise InputError(f"{path}: {name!r} ends at byte {start + last:,} of a file of {size:,}")
    if dtype is not None and last - first != math.prod(shape) * dtype.itemsize:
        raise InputError(
            f"{path}: {name!r} of shape {list(shape)} and type {kind} has {last - first:,} bytes"
        )

    def read(rows: slice) -> Tensor:
        assert dtype is not None
        width = math.prod(shape[1:])
        count = (rows.stop - rows.start) * width * dtype.itemsize
        offset = start + first + rows.start * width * dtype.itemsize
        raw = np.fromfile(path, np.uint8, count, offset=offset)
        return torch.from_numpy(raw).view(dtype).view(-1, *shape[1:])

    return StoredTensor(name, shape, dtype, kind, read)
