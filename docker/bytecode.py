"""Leaves the bytecode of what runs in the image, while it is built.

    python docker/bytecode.py cpu|cuda

The cpu variant imports all that runs in it, so that it has that bytecode and no other, and makes a
small training step. The CUDA build of fbgemm does not import where there is no driver, as where
images are built: that variant has the bytecode of everything, 0.2 GB among 8.

Says so where torch is not the build of the variant: CUDA's works without a GPU but takes 4 GB more;
the other way round is an error.
"""

import compileall
import importlib
import pkgutil
import sys

# Imported by the commands that a container is started with, or by a function when it needs them.
COMMANDS = ("tensorboard.main", "torch.distributed.run", "torchx.cli.main")


def main(variant: str) -> None:
    """Checks torch's build, then imports or compiles."""
    _check_build(variant)
    if variant == "cuda":
        # Some packages bring files of other Pythons, which do not compile: no reason to fail.
        for folder in (sys.prefix, "components", "pipeline"):
            compileall.compile_dir(folder, quiet=2)
        return
    for name in (*COMMANDS, *_modules("components"), *_modules("pipeline")):
        importlib.import_module(name)
    importlib.import_module("pipeline.doctor.small_step").main()


def _check_build(variant: str) -> None:
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


def _modules(package: str) -> list[str]:
    """The modules of a package, but for those that run when they are imported."""
    paths = importlib.import_module(package).__path__
    names = [module.name for module in pkgutil.walk_packages(paths, f"{package}.")]
    return [name for name in names if not name.endswith("__main__")]


if __name__ == "__main__":
    main(sys.argv[1])
