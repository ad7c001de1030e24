"""A key-value store of this start of a job alone.

torchrun hands every start of a job the same store (torch 2.13), and the process group writes the
ranks' addresses under the same names each time. A rank that is quicker than another then finds the
address of a process that is dead, and both wait for each other until the timeout: seen in one of
three restarts of two ranks. So the ranks agree on a name for each start and use the store under it.
"""

import json
import time
import uuid
from datetime import timedelta

import torch.distributed as dist

from pipeline.console import InputError

_POLL_S = 0.02


def fresh_store(
    store: dist.Store, rank: int, world_size: int, patience: timedelta
) -> dist.PrefixStore:
    """The part of ``store`` that only these processes write to. Collective.

    Every process announces a token of its own. Rank 0 proposes a name to those that it has read;
    who finds its own token among them accepts, who does not waits for a better proposal. Rank 0
    proposes again when a token changes, for then it had read one of an earlier start, and
    confirms when all have accepted. No message of an earlier start can hold a token of this one.

    Args:
        store: that all processes of all starts share.
        rank: of this process.
        world_size: the number of processes.
        patience: how long to wait for the others.

    Raises:
        InputError: not all of them came in that time.
    """
    deadline = time.monotonic() + patience.total_seconds()
    token = uuid.uuid4().hex
    store.set(f"token/{rank}", token)
    agree = _propose if rank == 0 else _accept
    while (name := agree(store, rank, world_size, token)) is None:
        if time.monotonic() > deadline:
            raise InputError(
                f"rank {rank} waited {patience} for {world_size} processes to start, and not all "
                "did; see why the others did not, or set train.timeout_minutes"
            )
        time.sleep(_POLL_S)
    return dist.PrefixStore(name, store)


def _propose(store: dist.Store, rank: int, world_size: int, token: str) -> str | None:
    """Rank 0's part: the name when all have accepted it."""
    keys = [f"token/{other}" for other in range(world_size)]
    if not store.check(keys):
        return None
    tokens = [value.decode() for value in store.multi_get(keys)]
    # The same tokens give the same name, so a proposal stands until a token changes.
    name = uuid.uuid5(uuid.UUID(token), "/".join(tokens)).hex
    store.set("proposal", json.dumps({"name": name, "tokens": tokens}))
    accepted = [f"{name}/accepted/{other}" for other in range(1, world_size)]
    if accepted and not store.check(accepted):
        return None
    store.set(f"{name}/confirmed", "")
    return name


def _accept(store: dist.Store, rank: int, world_size: int, token: str) -> str | None:
    """The other ranks' part: the name when rank 0 has confirmed it."""
    if not store.check(["proposal"]):
        return None
    proposal = json.loads(store.get("proposal"))
    name, tokens = proposal["name"], proposal["tokens"]
    if len(tokens) != world_size or tokens[rank] != token:
        return None
    store.set(f"{name}/accepted/{rank}", "")
    return name if store.check([f"{name}/confirmed"]) else None
