"""A checkpoint of ``torch.save``: its tensors, by memory map, and no code of it."""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.console import InputError
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

OWN_RECORD = "checkpoint.json"


def read_torch(path: Path) -> list[StoredTensor]:
    """The tensors of a checkpoint, however deep in dictionaries and lists, named by their keys.

    Its pages are mapped, not loaded: the system may drop those that were read.

    Raises:
        InputError: it is no checkpoint, is older than torch 1.6, or holds more than tensors and
            plain containers; of that nothing was run.
    """
    if (path.parent / OWN_RECORD).exists():
        raise InputError(
            f"{path}: a part of a run's checkpoint; give the run's spec in place of the file"
        )
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: holds more than tensors and plain containers, and nothing of it was run; "
            "save the state_dict alone"
        ) from None
    except RuntimeError:
        raise InputError(
            f"{path}: not a whole checkpoint of torch 1.6 or later; what an older torch saved can "
            "be loaded and saved again with torch.save"
        ) from None
    return [_stored(name or path.stem, tensor) for name, tensor in _tensors("", held)]


def _tensors(prefix: str, held: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(held, Tensor):
        if held.layout == torch.strided and not held.is_quantized:
            yield prefix, held.detach()
        return
    if isinstance(held, Mapping):
        entries = list(held.items())
    elif isinstance(held, (list, tuple)):
        entries = list(enumerate(held))
    else:
        return
    for key, value in entries:
        yield from _tensors(f"{prefix}.{key}" if prefix else str(key), value)


def _stored(name: str, tensor: Tensor) -> StoredTensor:
    kind = str(tensor.dtype).removeprefix("torch.")
    return StoredTensor(name, tuple(tensor.shape), tensor.dtype, kind, lambda rows: tensor[rows])
