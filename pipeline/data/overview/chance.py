"""How far a figure is from what chance gives, in standard deviations."""

import math

# Beyond it chance is as good as ruled out: it gives a difference of four deviations, one way or the
# other, once in 16,000 times.
BEYOND_CHANCE = 4.0


def difference_z(events: int, trials: int, other_events: int, other_trials: int) -> float:
    """How far apart two shares are, in standard deviations; the sign is that of the difference.

    The signed root of the likelihood ratio of the 2 x 2 table (Wilks, Annals of Mathematical
    Statistics 9(1), 1938). Unlike the difference over its standard error it holds for rare events
    in splits of unequal size: four clicks that all fall into the smaller of 800 and 100 rows are
    5.7 standard errors, but come by chance once in 6,600 times; here they are 4.2.

    >>> round(difference_z(4, 100, 0, 800), 1)
    4.2
    """
    total, total_events = trials + other_trials, events + other_events
    if not trials or not other_trials:
        return 0.0
    ratio = 0.0
    for seen, rows in ((events, trials), (other_events, other_trials)):
        for found, all_found in ((seen, total_events), (rows - seen, total - total_events)):
            if found:
                ratio += found * math.log(found * total / (rows * all_found))
    size = math.sqrt(max(2 * ratio, 0.0))
    return size if events * other_trials >= other_events * trials else -size


def auc_z(auc: float, positives: int, negatives: int) -> float:
    """How far an AUC is from 0.5, in standard deviations of scores that know nothing.

    Their variance is (P + N + 1) / (12 P N) (Mann and Whitney, Annals of Mathematical Statistics
    18(1), 1947).
    """
    return (auc - 0.5) / math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
