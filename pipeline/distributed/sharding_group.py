"""2D parallelism: the ranks in groups, each of which holds one copy of the sharded tables.

A plan is made for one group, and all groups follow it. Between groups whole tables travel, within
them a batch's embeddings; so the ranks with the same rows are neighbours, as in TorchRec's
``DMPCollection``: of 8 ranks in groups of 4, group 0 is 0, 2, 4, 6, and 0 and 1 hold the same.
"""

from dataclasses import dataclass

from pipeline.console import InputError
from pipeline.distributed.hardware import Cluster
from pipeline.spec_sharding import ShardingSpec


@dataclass(frozen=True)
class ShardingGroup:
    """How a job's ranks are grouped.

    Attributes:
        size: ranks of a group. A plan calls them 0 to size - 1, by their place in it.
        copies: the number of groups, each with a copy of the sharded tables.
        node_ranks: neighbouring places that are on one node.
    """

    size: int
    copies: int
    node_ranks: int

    def rank(self, place: int, group: int) -> int:
        """The rank in the job of a place in a group."""
        return place * self.copies + group

    def place(self, rank: int) -> int:
        """The place in its group of a rank of the job."""
        return rank // self.copies

    def __str__(self) -> str:
        """How the ranks are grouped, for a plan whose ranks are places."""
        return (
            f"{self.copies} groups of {self.size} ranks, each with a copy of the sharded tables; "
            f"place p of group g is rank {self.copies} p + g"
        )


def sharding_group(spec: ShardingSpec, cluster: Cluster) -> ShardingGroup:
    """The groups of ``sharding.group_size``; fewer ranks than that are one group.

    Raises:
        InputError: the ranks do not fill their groups.
    """
    ranks = cluster.world_size
    if not spec.group_size or ranks <= spec.group_size:
        return ShardingGroup(ranks, 1, cluster.node_ranks)
    if ranks % spec.group_size:
        divisors = [size for size in range(1, ranks + 1) if ranks % size == 0]
        raise InputError(
            f"sharding.group_size = {spec.group_size}: {ranks} ranks are no whole number of such "
            f"groups; set it to one of {', '.join(map(str, divisors))}, or to 0 for one group"
        )
    copies = ranks // spec.group_size
    # Where a node's ranks hold no whole number of rows of copies, its places are not neighbours.
    node_ranks = cluster.node_ranks // copies if cluster.node_ranks % copies == 0 else 1
    return ShardingGroup(spec.group_size, copies, node_ranks)
