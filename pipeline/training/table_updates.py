"""Which rows a step of the tables' optimizer moves. Imports no torch, see ``already_done``."""

from typing import Literal

from pipeline.spec import Spec

TableUpdates = Literal["dense", "sparse", "mixed"]


def table_updates(spec: Spec, replicated: int, tables: int) -> TableUpdates:
    """What the tables' updates are.

    ``dense`` moves rows that are not in the batch too, by momentum or weight decay; ``sparse``
    leaves them. ``mixed`` is the one in some tables, the other in the rest.

    Args:
        spec: the experiment.
        replicated: how many tables are ``data_parallel``, whose optimizers are torch's.
        tables: how many there are in all.
    """
    if not replicated or not _replicated_move_all(spec):
        return "sparse"
    return "dense" if replicated == tables else "mixed"


def settled_updates(spec: Spec) -> TableUpdates | None:
    """The same by the spec alone; None where rules by table, or the machine's device, decide."""
    if not _replicated_move_all(spec):
        return "sparse"
    if spec.sharding.rules:
        return None
    if spec.sharding.type != "auto":
        return "dense" if spec.sharding.type == "data_parallel" else "sparse"
    # FBGEMM has no Adam on CPU, so there the planner replicates its tables.
    by_device: dict[str, TableUpdates] = {"cpu": "dense", "cuda": "sparse"}
    return by_device.get(spec.train.device)


def _replicated_move_all(spec: Spec) -> bool:
    optimizer = spec.embedding_optimizer
    return optimizer.name == "adam" or optimizer.weight_decay > 0
