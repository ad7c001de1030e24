"""Files of matrices as other programs write them, and the command that reads them."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from numpy.typing import NDArray

KINDS = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64"}


def write_safetensors(
    path: Path, tensors: Mapping[str, NDArray], kinds: Mapping[str, str] | None = None
) -> None:
    """As the format's description says; ``kinds`` says what else an array's bytes are."""
    header, parts, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, array in tensors.items():
        parts.append(array.tobytes())
        start, end = end, end + len(parts[-1])
        kind = (kinds or {}).get(name, KINDS.get(array.dtype.name))
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, end]}
    write_header(path, header, b"".join(parts))


def write_header(path: Path, header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def evaluate_file(
    *arguments: str | Path, where: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m pipeline.evaluate FILE ...`` in a directory."""
    command = [sys.executable, "-m", "pipeline.evaluate", *map(str, arguments)]
    root = str(Path(__file__).parents[1])
    variables = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **(environment or {})}
    return subprocess.run(command, cwd=where, env=variables, capture_output=True, text=True)
