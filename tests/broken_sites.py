"""Folders that break an environment when they stand first on the path, made as pip leaves them."""

import subprocess
from pathlib import Path


def pretend_installed(
    site: Path,
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    sizes: dict[str, int] | None = None,
) -> None:
    """A distribution's metadata.

    Args:
        site: the folder.
        name: the distribution's.
        version: its.
        requires: what it says it needs.
        sizes: bytes by file that its record claims.
    """
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    record = [f"{file},sha256=unused,{size}" for file, size in (sizes or {}).items()]
    (folder / "RECORD").write_text("\n".join(record) + "\n")


def shared_library(path: Path, source: str, *flags: str | Path) -> None:
    """Compiles C to a shared library."""
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path, "-x", "none", *flags]
    subprocess.run(command, input=source, text=True, check=True)


def package_needing(site: Path, package: str, library: str) -> None:
    """A Python package that loads a shared library which needs one that is nowhere to be found.

    Args:
        site: the folder.
        package: the package's name.
        library: the missing library's file name.
    """
    folder = site / package
    folder.mkdir(parents=True)
    stub = site / library
    shared_library(stub, "int unused;", f"-Wl,-soname,{library}")
    shared_library(folder / "needs.so", "int unused;", "-Wl,--no-as-needed", stub)
    stub.unlink()
    (folder / "__init__.py").write_text(
        "import ctypes, os, pathlib\n"
        "ctypes.CDLL(str(pathlib.Path(__file__).with_name('needs.so')), os.RTLD_NOW)\n"
    )
