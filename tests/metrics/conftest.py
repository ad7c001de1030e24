"""A process group of one, for metrics that ranks compute together."""

from collections.abc import Iterator

import pytest

from pipeline.distributed.runtime import start_runtime


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """This process is the only rank."""
    with start_runtime("cpu"):
        yield
