"""The ranks of a start agree on a store that no other start has written to."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from pipeline.console import InputError
from pipeline.distributed.fresh_store import fresh_store

PATIENCE = timedelta(seconds=30)


def start_ranks(store: dist.Store, world_size: int, chance: random.Random) -> list[dist.Store]:
    """Every rank of a start, each coming at a moment of its own."""
    delays = [chance.random() * 0.1 for _ in range(world_size)]

    def rank(number: int) -> dist.Store:
        time.sleep(delays[number])
        return fresh_store(store, number, world_size, PATIENCE)

    with ThreadPoolExecutor(world_size) as ranks:
        return list(ranks.map(rank, range(world_size)))


@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_all_ranks_share_what_earlier_starts_have_not(world_size: int) -> None:
    shared, chance = dist.HashStore(), random.Random(world_size)
    for start in range(8):
        stores = start_ranks(shared, world_size, chance)
        assert not any(store.check(["address"]) for store in stores)
        stores[0].set("address", str(start))
        assert [store.get("address") for store in stores] == [str(start).encode()] * world_size


def test_another_number_of_ranks_may_follow() -> None:
    shared, chance = dist.HashStore(), random.Random(0)
    for world_size in (4, 2, 3):
        stores = start_ranks(shared, world_size, chance)
        stores[0].set("address", "here")
        assert all(store.check(["address"]) for store in stores)


@pytest.mark.parametrize("rank", [0, 1])
def test_who_waits_in_vain_says_so(rank: int) -> None:
    with pytest.raises(InputError, match=f"rank {rank} waited .* for 2 processes to start"):
        fresh_store(dist.HashStore(), rank, 2, timedelta(seconds=0.1))
