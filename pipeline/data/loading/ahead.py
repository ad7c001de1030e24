"""Makes the next item in a thread while the current one is used."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prepared_ahead(
    items: Iterator[Item], prepare: Callable[[Item], Item], initialize: Callable[[], None]
) -> Iterator[Item]:
    """The items, prepared, in their order; the next one is under way in a thread.

    Args:
        items: taken in the thread.
        prepare: called on each, in the thread.
        initialize: called at the thread's start.
    """

    def following() -> Item | None:
        item = next(items, None)
        return None if item is None else prepare(item)

    with ThreadPoolExecutor(1, thread_name_prefix="ahead", initializer=initialize) as thread:
        coming: Future[Item | None] = thread.submit(following)
        while (item := coming.result()) is not None:
            coming = thread.submit(following)
            yield item
