"""Imports all that runs in the image while it is built, so that Python leaves its bytecode.

    python docker/imports.py cpu|cuda

Fails where a module does not import. Says so where torch is not the build of the variant: CUDA's
works without a GPU but takes 4 GB more; the other way round is an error.
"""

import importlib
import pkgutil
import sys

# Imported by the commands that a container is started with, or by a function when it needs them.
COMMANDS = ("tensorboard.main", "torch.distributed.run", "torchx.cli.main")


def main(variant: str) -> None:
    """Imports every module of the code, and on CPU makes a small training step."""
    import torch

    found = "cpu" if torch.version.cuda is None else "cuda"
    if found != variant:
        print(
            f"warning: this {variant} image has the {found} build of torch {torch.__version__}, as "
            "pip found no other; name the index that has it: --build-arg PIP_EXTRA_INDEX_URL=...",
            file=sys.stderr,
        )
        if variant == "cuda":
            sys.exit(1)
    for name in (*COMMANDS, *_modules("components"), *_modules("pipeline")):
        importlib.import_module(name)
    if variant == "cpu":
        importlib.import_module("pipeline.doctor.small_step").main()


def _modules(package: str) -> list[str]:
    """The modules of a package, but for those that run when they are imported."""
    paths = importlib.import_module(package).__path__
    names = [module.name for module in pkgutil.walk_packages(paths, f"{package}.")]
    return [name for name in names if not name.endswith("__main__")]


if __name__ == "__main__":
    main(sys.argv[1])
