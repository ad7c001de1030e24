"""Opens a file of matrices, whatever its format."""

from pathlib import Path

from pipeline.console import InputError
from pipeline.diagnostics.matrices.npy_file import read_npy
from pipeline.diagnostics.matrices.safetensors_file import read_safetensors
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor
from pipeline.diagnostics.matrices.torch_file import read_torch
from pipeline.spec_matrices import NUMPY, SAFETENSORS, is_matrix_file


def open_tensors(path: Path) -> list[StoredTensor]:
    """What a file holds; its rows are read when they are asked for.

    Raises:
        InputError: the file is missing, cannot be read, or is not what its name says.
    """
    if not is_matrix_file(path):
        raise InputError(
            f"{path}: matrices are read from .npy, .safetensors, .pt, .pth, .bin, .ckpt"
        )
    ending = path.suffix.lower()
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        if ending in NUMPY:
            return read_npy(path)
        return read_safetensors(path) if ending in SAFETENSORS else read_torch(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
