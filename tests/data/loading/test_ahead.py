"""Items that are made ahead come in their order, whole, and with their errors."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.data.loading.ahead import prepared_ahead


def nothing() -> None:
    return None


def test_items_come_prepared_and_in_order() -> None:
    assert list(prepared_ahead(iter(range(20)), lambda item: item + 100, nothing)) == [
        *range(100, 120)
    ]


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def prepare(item: int) -> int:
        made[item].set()
        return item

    items = prepared_ahead(iter(range(3)), prepare, nothing)
    assert next(items) == 0
    assert made[1].wait(timeout=10)
    assert not made[2].is_set()


def test_an_error_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prepared_ahead(broken(), lambda item: item, nothing)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
