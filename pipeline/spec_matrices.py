"""Settings of the analysis of matrices from a file: what may follow its name."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from pipeline.spec_section import PathText, Section

# Files of these names hold matrices; any other is a spec.
NUMPY, SAFETENSORS, TORCH = (".npy",), (".safetensors",), (".pt", ".pth", ".bin", ".ckpt")


def _listed(value: object) -> object:
    """One pattern as a list of one; TOML's arrays as tuples."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class OutputSpec(Section):
    """Where the report goes."""

    # "": runs/ and the file's name without its ending.
    directory: PathText = ""


class MatricesSpec(Section):
    """Which matrices of a file are analysed.

    ``tensors`` are names, or patterns of names: ``*`` stands for any text, ``{field}`` for the
    name of the field, and matrices that differ in what stands at ``{set}`` alone are sets of one
    field. Without a pattern the file must hold one matrix.
    """

    run: OutputSpec = OutputSpec()
    tensors: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    # A file of how often each row occurs: (rows,) under each field's name. "": not known.
    counts: PathText = ""


def is_matrix_file(path: Path) -> bool:
    """Whether a file is one of matrices, by its name."""
    return path.suffix.lower() in (*NUMPY, *SAFETENSORS, *TORCH)
