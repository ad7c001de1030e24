"""Shows how a spec's tables would be sharded, what that takes of every rank, and whether it fits.

    python -m pipeline.plan specs/demo.toml --world-size 16 --device h200
    python -m pipeline.plan specs/demo.toml --world-size 2 sharding.type=row_wise

No such hardware needs to be there: it reads the prepared dataset's manifest. A node has 8 ranks at
the most, unless --local-world-size or --nodes says otherwise. Memory and bandwidths of the devices
are in pipeline/distributed/hardware.py; [sharding.hardware] overrides them. Where the tables do not
fit, it names what would make them fit. Exit code: 0 it fits, 1 it does not, 2 bad input.
"""

import argparse
import logging
import sys
from pathlib import Path

from pipeline.console import InputError, run_entry_point
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.spec import Spec
from pipeline.spec_file import load_spec

_LARGEST_NODE = 8


def main(arguments: list[str]) -> None:
    """``SPEC [--world-size N] [--local-world-size N | --nodes N] [--device D] [key=value ...]``."""
    options = _parser().parse_intermixed_args(arguments)
    node_ranks = _node_ranks(options)
    spec = load_spec(options.spec, options.overrides)
    manifest = read_manifest(spec.dataset_directory)
    if not _show(spec, manifest, options, node_ranks):
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("spec", type=Path, help="path of the experiment spec")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--world-size", type=int, default=1, help="ranks of the job")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--local-world-size", type=int, help="ranks of one node")
    size.add_argument("--nodes", type=int, help="nodes of the job")
    parser.add_argument("--device", default="cpu", help="cpu, h100, h200, a100-80, a100-40 or cuda")
    return parser


def _node_ranks(options: argparse.Namespace) -> int:
    """Ranks of one node.

    Raises:
        InputError: the ranks do not fill their nodes.
    """
    world_size = options.world_size
    if options.nodes is not None:
        if options.nodes < 1 or world_size < 1 or world_size % options.nodes:
            raise InputError(
                f"--world-size {world_size} is not a multiple of --nodes {options.nodes}"
            )
        return world_size // options.nodes
    size = options.local_world_size
    if size is None:
        size = max(min(world_size, _LARGEST_NODE), 1)
    if size < 1 or world_size < 1 or world_size % size:
        raise InputError(
            f"--world-size {world_size} is not a multiple of --local-world-size {size}"
        )
    return size


def _show(spec: Spec, manifest: Manifest, options: argparse.Namespace, node_ranks: int) -> bool:
    """Prints the plan and the verdict, and returns whether it fits."""
    # torch and torchrec take seconds to import: a wrong argument is told before.
    from pipeline.distributed.fit import fit
    from pipeline.distributed.fit_text import describe_fit, describe_remedies
    from pipeline.distributed.hardware import DEVICES, Cluster, named_hardware
    from pipeline.distributed.remedies import remedies

    # Its notes are for its own developers.
    logging.getLogger("torchrec").setLevel(logging.ERROR)
    if options.device not in DEVICES:
        raise InputError(f"--device {options.device!r}: known are {', '.join(DEVICES)}")
    hardware = named_hardware(options.device, spec.sharding.hardware)
    cluster = Cluster(hardware, options.world_size, node_ranks)
    outcome = fit(spec, manifest, cluster)
    print(describe_fit(outcome, spec), flush=True)
    if outcome.problem:
        print(describe_remedies(remedies(spec, manifest, outcome)))
    return not outcome.problem


if __name__ == "__main__":
    run_entry_point(main)
