"""How occurrences spread over a field's ids."""

import numpy as np

FREQUENT_VALUES = 10
_MARKS = np.array([step * 10**power for power in range(10) for step in (1, 2, 5)])


def coverage(used: np.ndarray) -> tuple[tuple[int, float], ...]:
    """Pairs of a number of ids, the most frequent ones, and their share of all occurrences.

    At 1, 2, 5, 10, 20, ... ids, and at all of them.

    Args:
        used: (ids,) occurrences of the ids that occur.
    """
    if not len(used):
        return ()
    covered = np.cumsum(np.sort(used)[::-1])
    marks = np.append(_MARKS[: np.searchsorted(_MARKS, len(used))], len(used))
    shares = (covered[marks - 1] / covered[-1]).round(6)
    return tuple(zip(marks.tolist(), shares.tolist(), strict=True))


def most_frequent(counts: np.ndarray) -> np.ndarray:
    """The ids that occur most often, by falling count, ties by id.

    Args:
        counts: (cardinality,) occurrences by id.
    """
    used = np.flatnonzero(counts)
    if len(used) > FREQUENT_VALUES:
        found = counts[used]
        least = np.partition(found, -FREQUENT_VALUES)[-FREQUENT_VALUES]
        above, ties = used[found > least], used[found == least]
        used = np.concatenate([above, ties[: FREQUENT_VALUES - len(above)]])
    return used[np.argsort(-counts[used], kind="stable")]


def share(part: int, whole: int) -> float:
    """A share to six digits; 0 of nothing."""
    return round(part / whole, 6) if whole else 0.0
