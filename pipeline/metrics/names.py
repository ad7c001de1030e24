"""The metrics by their names in ``metrics.json`` and the journal, and which value is better."""

# In the order that they are shown in. GAUC only where a field groups the rows.
METRIC_NAMES = ("auc", "logloss", "normalized_entropy", "calibration", "gauc")

# As a sentence names them, and ``loss``.
IN_WORDS = {
    "auc": "AUC",
    "logloss": "logloss",
    "normalized_entropy": "normalised entropy",
    "calibration": "calibration",
    "gauc": "GAUC",
    "loss": "loss",
}

HIGHER_IS_BETTER = frozenset({"auc", "gauc"})


def badness(name: str, value: float) -> float:
    """What early stopping minimises for a metric; ``loss`` is what training minimises.

    AUC and GAUC are better when higher, logloss and normalised entropy when lower, calibration
    when closer to 1. nan stays nan, which compares as neither better nor worse.

    Raises:
        ValueError: no metric has that name.

    >>> badness("auc", 0.75), badness("logloss", 0.5), badness("calibration", 1.25)
    (-0.75, 0.5, 0.25)
    """
    if name not in (*METRIC_NAMES, "loss"):
        raise ValueError(f"no metric is called {name!r}; there are {', '.join(METRIC_NAMES)}, loss")
    if name == "calibration":
        return abs(value - 1.0)
    return -value if name in HIGHER_IS_BETTER else value
