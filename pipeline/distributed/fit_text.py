"""A plan's memory and its verdict, as text."""

from collections.abc import Sequence
from statistics import fmean

from pipeline.distributed.fit import Fit, in_units
from pipeline.distributed.memory import table_bytes, table_memory
from pipeline.distributed.plan import PLACE_HEADING, describe_place, placements
from pipeline.distributed.remedies import Remedy
from pipeline.spec import Spec

_MIB = 2**20


def describe_fit(outcome: Fit, spec: Spec) -> str:
    """The hardware, every table, the bytes of every rank, the balance, and whether it fits."""
    sections = [_hardware(outcome, spec), _tables(outcome, spec), _dense(outcome)]
    if outcome.memory is not None:
        sections.insert(2, _ranks(outcome))
    if outcome.group.copies > 1:
        sections.insert(1, _groups(outcome, spec))
    sections.append(f"does not fit: {outcome.problem}" if outcome.problem else _fits(outcome))
    return "\n\n".join(sections)


def describe_remedies(remedies: Sequence[Remedy]) -> str:
    """The changes that make it fit, a line each with the bytes of the fullest rank."""
    if not remedies:
        return (
            "nothing that was tried makes it fit; a smaller model does: fewer columns "
            "(model.sets, model.embedding_dim), fewer rows (prepare.minimum_count, hashed fields)"
        )
    lines = [f"  {remedy.change}    {in_units(remedy.most)} a rank" for remedy in remedies]
    return "\n".join(["any of these makes it fit, as tried:", *lines])


def _hardware(outcome: Fit, spec: Spec) -> str:
    cluster = outcome.cluster
    nodes = cluster.world_size // cluster.node_ranks
    return (
        f"{cluster.world_size} x {cluster.hardware.name} on {nodes} "
        f"{'node' if nodes == 1 else 'nodes'}: {in_units(cluster.rank_bytes)} a rank, "
        f"{spec.sharding.reserved_share:.0%} of it kept from the tables"
    )


def _groups(outcome: Fit, spec: Spec) -> str:
    """Which ranks share a copy of the tables, and what keeps the copies one."""
    if outcome.plan is None:
        return str(outcome.group)
    placed = placements(outcome.plan)
    sharded = [table for table in outcome.tables if placed[table.name].sharding_spec is not None]
    held = table_memory(
        outcome.plan, sharded, spec.embedding_optimizer.name, outcome.group.size
    ).device
    return f"{outcome.group}\nbetween groups every step averages up to {in_units(max(held))} a rank"


def _tables(outcome: Fit, spec: Spec) -> str:
    """A line a table; without a place where there is no plan."""
    optimizer = spec.embedding_optimizer.name
    placed = placements(outcome.plan) if outcome.plan is not None else {}
    width = max(len(table.name) for table in outcome.tables)
    lines = [f"{'table':<{width}} {'rows':>13} {'columns':>7} {'MiB':>11} {PLACE_HEADING}"]
    for table in outcome.tables:
        placement = placed.get(table.name)
        where = "-" if placement is None else describe_place(placement)
        size = table_bytes(table, optimizer) / _MIB
        lines.append(
            f"{table.name:<{width}} {table.rows:>13,} {table.physical_columns:>7} {size:>11,.2f} "
            f"{where}"
        )
    total = sum(table_bytes(table, optimizer) for table in outcome.tables)
    rows = sum(table.rows for table in outcome.tables)
    lines.append(
        f"{len(outcome.tables)} tables, {rows:,} rows, {in_units(total)} with {optimizer}'s state"
    )
    return "\n".join(lines)


def _ranks(outcome: Fit) -> str:
    assert outcome.memory is not None
    device, host = outcome.memory.device, outcome.memory.host
    lines = [
        f"rank {rank}: {in_units(held)} of tables"
        + (f", {in_units(kept)} on the host" if kept else "")
        for rank, (held, kept) in enumerate(zip(device, host, strict=True))
    ]
    together = [held + kept for held, kept in zip(device, host, strict=True)]
    balance = max(together) / fmean(together)
    return "\n".join([*lines, f"balance of the tables' bytes, most / mean: {balance:.2f}"])


def _dense(outcome: Fit) -> str:
    dense = outcome.dense
    return (
        f"every rank besides: {in_units(dense.parameters)} for the dense part, its gradients and "
        f"moments; about {in_units(dense.activations)} for a batch's activations"
    )


def _fits(outcome: Fit) -> str:
    assert outcome.memory is not None
    most = max(outcome.memory.device) + outcome.dense.total
    share = most / outcome.cluster.rank_bytes
    return f"fits: the fullest rank takes {in_units(most)}, {share:.1%} of its memory"
