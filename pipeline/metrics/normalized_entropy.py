"""The logistic loss against that of always predicting the base rate."""

import math


def normalized_entropy(loss: float, base_rate: float) -> float:
    """The logloss over the entropy of the labels' mean r: below 1 is better than knowing only r.

        NE = logloss / -(r ln r + (1 - r) ln(1 - r))

    (He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, equation
    1). Unlike the logloss it can be compared between data of different base rates.

    Args:
        loss: the logloss, in nats.
        base_rate: the labels' mean, by row weight.

    Returns:
        A value from 0; nan when the labels are of one class or there are no rows.

    >>> normalized_entropy(math.log(2), 0.5)
    1.0
    """
    if not 0.0 < base_rate < 1.0:
        return math.nan
    entropy = -base_rate * math.log(base_rate) - (1.0 - base_rate) * math.log1p(-base_rate)
    return loss / entropy
