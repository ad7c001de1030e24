"""Which directories a dataset may take the place of."""

from pathlib import Path

from pipeline.console import InputError
from pipeline.data.manifest import MANIFEST_FILE


def check_replaceable(directory: Path) -> None:
    """Refuses a path at which something stands that is neither a dataset nor an empty directory."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise InputError(f"{directory}: a file, the prepared dataset cannot go there")
    if any(directory.iterdir()) and not (directory / MANIFEST_FILE).is_file():
        raise InputError(
            f"{directory}: not empty and no dataset ({MANIFEST_FILE} is missing), so it is left "
            "alone; set data.directory to another path"
        )
