"""The process group and device of one rank, under torchrun or alone."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from pipeline.console import InputError
from pipeline.distributed.freed_memory import keep_freed_memory
from pipeline.distributed.fresh_store import fresh_store

_TORCHS_PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Runtime:
    """One rank's place in the job.

    Attributes:
        rank: 0 to world_size - 1. Rank 0 writes and talks.
        world_size: the number of processes.
        local_world_size: those on this node.
        device: where this rank computes.
        reason: why that device, for the log.
    """

    rank: int
    world_size: int
    local_world_size: int
    device: torch.device
    reason: str

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files and talks to the person."""
        return self.rank == 0


@contextmanager
def start_runtime(
    choice: Literal["auto", "cpu", "cuda"],
    timeout_minutes: float | None = None,
    deterministic: bool = False,
) -> Iterator[Runtime]:
    """Joins the process group that torchrun described, or makes one of a single process.

    gloo serves CPU, and NCCL serves CUDA (with gloo beside it for tensors on the CPU).

    Args:
        choice: of the device.
        timeout_minutes: how long a collective waits for the other ranks before it fails, and with
            it this process, so that torchrun can start the job again; None leaves it to torch.
        deterministic: lets only kernels run whose results do not change from run to run.

    Raises:
        InputError: CUDA was asked for and there is none.
    """
    _quiet_libraries()
    _choose_kernels(deterministic)
    device, reason = _choose_device(choice)
    backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        keep_freed_memory()
    patience = None if timeout_minutes is None else timedelta(minutes=timeout_minutes)
    if "RANK" in os.environ:
        wait = patience or _TORCHS_PATIENCE
        store, rank, world_size = next(rendezvous("env://", timeout=wait))
        store = fresh_store(store, rank, world_size, wait)
        dist.init_process_group(
            backend, timeout=patience, store=store, rank=rank, world_size=world_size
        )
    else:
        alone = dist.HashStore()
        dist.init_process_group(backend, timeout=patience, store=alone, rank=0, world_size=1)
    world_size = dist.get_world_size()
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    try:
        yield Runtime(dist.get_rank(), world_size, local, device, reason)
    except BaseException:
        # Among several ranks the end of the process must not wait for peers in a collective.
        if world_size == 1:
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _quiet_libraries() -> None:
    """Leaves torch's and torchrec's notes to their own developers out of the person's terminal."""
    for name in ("root", "torchrec", "torch.fx._symbolic_trace"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for library in ("torchrec", "torch"):
        warnings.filterwarnings("ignore", module=rf"{library}\.")


def _choose_kernels(deterministic: bool) -> None:
    torch.use_deterministic_algorithms(deterministic)
    if deterministic:
        # cuBLAS reads it when CUDA starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False


def _choose_device(choice: str) -> tuple[torch.device, str]:
    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise InputError("train.device = 'cuda': torch finds no CUDA device; use 'auto' or 'cpu'")
    if choice == "cpu" or not available:
        reason = "asked for" if choice == "cpu" else "torch finds no CUDA device"
        return torch.device("cpu"), reason
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    if local_rank >= torch.cuda.device_count():
        raise InputError(
            f"process {local_rank + 1} of this node has no GPU of its own, torch finds "
            f"{torch.cuda.device_count()}; start fewer processes (-j 1x1), or train.device=cpu"
        )
    return torch.device("cuda", local_rank), torch.cuda.get_device_name(local_rank)
