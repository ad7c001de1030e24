"""Shows how a spec's tables would be sharded, and what that takes, on ranks that need not be there.

    python -m pipeline.plan specs/demo.toml --world-size 8 --device cuda
    python -m pipeline.plan specs/demo.toml --world-size 2 sharding.type=row_wise

Reads the prepared dataset's manifest. The planner takes torchrec's default memory and bandwidth of
the device; --node-size is the ranks of one node, 8 at the most unless given.
"""

import argparse
from pathlib import Path

from pipeline.console import InputError, run_entry_point
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.spec import Spec
from pipeline.spec_file import load_spec


def main(arguments: list[str]) -> None:
    """``SPEC [--world-size N] [--node-size N] [--device cpu|cuda] [key=value ...]``."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("spec", type=Path, help="path of the experiment spec")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--world-size", type=int, default=1, help="ranks of the job")
    parser.add_argument("--node-size", type=int, default=0, help="ranks of one node")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_intermixed_args(arguments)
    node_size = options.node_size or min(options.world_size, 8)
    if options.world_size < 1 or options.world_size % node_size:
        raise InputError(
            f"--world-size {options.world_size} is not a multiple of --node-size {node_size}"
        )
    spec = load_spec(options.spec, options.overrides)
    manifest = read_manifest(spec.dataset_directory)
    print(_plan(spec, manifest, options.world_size, node_size, options.device))


def _plan(spec: Spec, manifest: Manifest, world_size: int, node_size: int, device: str) -> str:
    """The plan and the bytes of every rank, as text."""
    import torch

    from pipeline.distributed.plan import bytes_by_rank, describe_plan, make_planner
    from pipeline.distributed.sharder import make_sharder
    from pipeline.model.click_task import ClickTask
    from pipeline.model.multi_embedding import MultiEmbedding

    model = MultiEmbedding(
        manifest.fields,
        spec.model,
        device=torch.device("meta"),
        dense_fields=[field.name for field in manifest.dense],
    )
    tables = model.embedding_sets.tables
    planner = make_planner(spec, world_size, node_size, device)
    plan = planner.plan(ClickTask(model, spec.model), [make_sharder(spec, torch.device(device))])
    held = bytes_by_rank(plan, tables, spec.embedding_optimizer.name, world_size)
    ranks = [f"rank {rank}: {count / 2**20:,.1f} MiB" for rank, count in enumerate(held)]
    heading = f"tables with {spec.embedding_optimizer.name}'s state, {sum(held) / 2**20:,.1f} MiB:"
    return "\n".join([describe_plan(plan, tables), heading, *ranks])


if __name__ == "__main__":
    run_entry_point(main)
