"""What ranks tell each other about their rows, on the CPU."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def gathered(values: Tensor) -> Tensor:
    """Every rank's ``values`` (n,) as (ranks, n), the same bits on every rank. Collective."""
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.contiguous())
    return torch.stack(parts)


def exchanged(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """Sends rows to their owners and returns those that this rank owns. Collective.

    Args:
        rows: (n, ...), those of the first owner first.
        counts: (ranks,) how many of them each rank owns.

    Returns:
        (m, ...), what rank 0 sent, then rank 1, and so on.
    """
    sent = torch.tensor(counts)
    received = torch.empty_like(sent)
    dist.all_to_all_single(received, sent)
    owned = rows.new_empty((int(received.sum()), *rows.shape[1:]))
    dist.all_to_all_single(owned, rows.contiguous(), received.tolist(), list(counts))
    return owned
