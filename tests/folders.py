"""What lies in a folder."""

from pathlib import Path


def files_of(directory: Path) -> dict[str, bytes]:
    """The bytes of all files in it and in its folders, by their paths from it."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}
