"""What would make a model fit that does not; every answer is a plan tried.

A change is what a person would type: overrides of the spec, and a larger ``--world-size``.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from pipeline.console import InputError
from pipeline.data.manifest import Manifest
from pipeline.distributed.fit import Fit, fit, room_for_tables
from pipeline.distributed.hardware import Cluster
from pipeline.distributed.memory import table_bytes
from pipeline.distributed.sharding_group import ShardingGroup
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.spec import Spec
from pipeline.spec_file import overridden

# Numbers of ranks that are tried.
_TRIALS = 6

# ``key=value`` overrides.
Change = tuple[str, ...]

_HOSTS_MEMORY: Change = (
    "sharding.type=auto",
    'sharding.rules=[{kernel=["fused_uvm_caching"]}]',
)


@dataclass(frozen=True)
class Remedy:
    """A change under which the model fits.

    Attributes:
        change: what to change, as it is written on the command line.
        most: the bytes that the fullest rank then takes.
    """

    change: str
    most: int


def remedies(spec: Spec, manifest: Manifest, outcome: Fit) -> list[Remedy]:
    """The changes that make a model fit, each tried: one alone, or else two together."""
    cluster = outcome.cluster
    tried = partial(_tried, spec, manifest, cluster)
    found = [*tried(_single_changes(spec, cluster))]
    found += islice(tried(_larger_groups(outcome.group, cluster)), 1)
    if outcome.plan is not None:
        found += islice(tried(_smaller_batches(spec, cluster)), 1)
    found += _more_ranks(spec, manifest, outcome, ())
    if found:
        return found
    return [
        *tried(_double_changes(spec, cluster)),
        *_more_ranks(spec, manifest, outcome, _by_type(spec, "row_wise")),
    ]


def _tried(
    spec: Spec, manifest: Manifest, cluster: Cluster, changes: Iterable[Change]
) -> Iterator[Remedy]:
    for change in changes:
        most = _most(spec, manifest, cluster, change)
        if most is not None:
            yield Remedy(_typed(change), most)


def _most(spec: Spec, manifest: Manifest, cluster: Cluster, change: Change) -> int | None:
    """The bytes of the fullest rank under a change; None where the model does not fit."""
    try:
        outcome = fit(overridden(spec, change), manifest, cluster)
    except InputError:
        return None
    if outcome.memory is None or outcome.problem:
        return None
    return max(outcome.memory.device) + outcome.dense.total


def _typed(change: Change) -> str:
    """As a shell takes it; the values alone in quotes."""
    pairs = (override.partition("=") for override in change)
    return " ".join(f"{key}={shlex.quote(value)}" for key, _, value in pairs)


def _single_changes(spec: Spec, cluster: Cluster) -> Iterator[Change]:
    """Another sharding, less state, the host's memory."""
    for kind in ("auto", "row_wise"):
        if spec.sharding.type != kind or spec.sharding.rules:
            yield _by_type(spec, kind)
    for smaller in _smaller_state(spec):
        if spec.sharding.type == "data_parallel":  # Which has no optimizer of less state.
            yield (*smaller, "sharding.type=auto")
        else:
            yield smaller
    if cluster.hardware.device == "cuda":
        yield _HOSTS_MEMORY


def _larger_groups(group: ShardingGroup, cluster: Cluster) -> Iterator[Change]:
    """Fewer copies of the tables, down to one."""
    for copies in range(group.copies - 1, 0, -1):
        if cluster.world_size % copies == 0:
            size = cluster.world_size // copies if copies > 1 else 0
            yield (f"sharding.group_size={size}",)


def _double_changes(spec: Spec, cluster: Cluster) -> Iterator[Change]:
    """Less state, and by rows or from the host's memory."""
    for smaller in _smaller_state(spec):
        yield (*smaller, *_by_type(spec, "row_wise"))
        if cluster.hardware.device == "cuda":
            yield (*smaller, *_HOSTS_MEMORY)


def _by_type(spec: Spec, kind: str) -> Change:
    """One sharding type for every table, and no rules, which would come before it."""
    no_rules = ("sharding.rules=[]",) if spec.sharding.rules else ()
    return (f"sharding.type={kind}", *no_rules)


def _smaller_state(spec: Spec) -> Iterator[Change]:
    now = TABLE_OPTIMIZERS[spec.embedding_optimizer.name]
    less = TABLE_OPTIMIZERS["rowwise_adagrad"]
    if now.moments > less.moments:
        decay = spec.embedding_optimizer.weight_decay
        no_decay = ("embedding_optimizer.weight_decay=0",) if decay else ()
        yield ("embedding_optimizer.name=rowwise_adagrad", *no_decay)


def _smaller_batches(spec: Spec, cluster: Cluster) -> Iterator[Change]:
    """The batch halved, and again, to no less than a row a rank."""
    size = spec.train.batch_size // 2
    while size >= cluster.world_size:
        yield (f"train.batch_size={size}",)
        size //= 2


def _more_ranks(spec: Spec, manifest: Manifest, outcome: Fit, change: Change) -> Iterator[Remedy]:
    """The fewest whole nodes that hold the model under a change, to within a quarter.

    Every rank holds the dense part and replicated tables whole, however many there are, and every
    group a copy of the other tables; so the ranks become one group.
    """
    cluster, optimizer = outcome.cluster, spec.embedding_optimizer.name
    if outcome.group.copies > 1:
        change = (*change, "sharding.group_size=0")
    replicated = overridden(spec, change).sharding.type == "data_parallel"
    if outcome.dense.parameters > cluster.rank_bytes or replicated:
        return
    total = sum(table_bytes(table, optimizer) for table in outcome.tables)
    least = max(total // room_for_tables(spec, cluster), cluster.world_size) + 1
    ranks = _whole_nodes(least, cluster)
    for _ in range(_TRIALS):
        most = _most(spec, manifest, replace(cluster, world_size=ranks), change)
        if most is not None:
            yield Remedy(f"--world-size {ranks} {_typed(change)}".rstrip(), most)
            return
        ranks = _whole_nodes(ranks + ranks // 4 + 1, cluster)


def _whole_nodes(ranks: int, cluster: Cluster) -> int:
    return -(-ranks // cluster.node_ranks) * cluster.node_ranks
