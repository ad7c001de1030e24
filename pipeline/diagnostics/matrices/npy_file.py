"""numpy's own file of one array, by memory map."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.console import InputError
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor


def read_npy(path: Path) -> list[StoredTensor]:
    """The one array of a ``.npy`` file. Nothing in it is unpickled.

    Raises:
        InputError: it is no such file, is cut short, or holds something else than numbers.
    """
    try:
        array = _mapped(path)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file of numbers: {error}") from None
    kind = array.dtype
    if kind.kind not in "fiu" or kind.itemsize > 8 or array.ndim == 0:
        raise InputError(
            f"{path}: holds {kind} of shape {array.shape}; an array of numbers is read"
        )
    dtype = torch.from_numpy(np.zeros(1, kind.newbyteorder("="))).dtype
    return [StoredTensor(path.stem, array.shape, dtype, str(kind), lambda rows: _rows(path, rows))]


def _mapped(path: Path) -> NDArray[np.generic]:
    return np.lib.format.open_memmap(path, mode="r")


def _rows(path: Path, rows: slice) -> Tensor:
    """Mapped anew for each block, so that what was read does not add up in the process's memory."""
    block = _mapped(path)[rows]
    return torch.from_numpy(block.astype(block.dtype.newbyteorder("=")))
