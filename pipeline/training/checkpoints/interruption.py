"""Lets Ctrl-C through torch.distributed.checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed.checkpoint as dcp


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises Ctrl-C as itself, where torch reports it as a failure of the checkpoint."""
    try:
        yield
    except dcp.CheckpointException as error:
        for failure, _ in error.failures.values():
            if isinstance(failure, KeyboardInterrupt):
                raise failure from None
        raise
