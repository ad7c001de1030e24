"""Whether a difference between runs is more than chance: Student's t test on pairs.

Runs of one seed share it in both models, so their differences are tested, one a seed (Student, 'The
probable error of a mean', Biometrika 1908). With n seeds there are n - 1 degrees of freedom. Few
seeds make a weak test: with 3, a difference must be 2.48 of its standard deviations from zero for
p < 0.05, and it is assumed to be normal. The p-values are not corrected for the number of
comparisons in a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Comparison:
    """What one model has over another.

    Attributes:
        difference: the mean over seeds.
        deviation: of the differences over seeds; None for one seed.
        p: two-sided; None for one seed.
        seeds: that both have.
    """

    difference: float
    deviation: float | None
    p: float | None
    seeds: int


def compare(ours: dict[int, float], others: dict[int, float]) -> Comparison | None:
    """Compares two models' values by seed, over the seeds that both have; None without any."""
    seeds = sorted(ours.keys() & others.keys())
    if not seeds:
        return None
    differences = [ours[seed] - others[seed] for seed in seeds]
    mean = fmean(differences)
    if len(seeds) == 1:
        return Comparison(mean, None, None, 1)
    return Comparison(mean, stdev(differences), paired_p(differences), len(seeds))


def paired_p(differences: Sequence[float]) -> float:
    """The two-sided p-value of a mean difference of zero, for at least two differences.

    >>> round(paired_p([0.001, 0.002, 0.003]), 4)
    0.0742
    """
    mean, deviation = fmean(differences), stdev(differences)
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    t = mean / deviation * math.sqrt(len(differences))
    return two_sided_p(t, len(differences) - 1)


def two_sided_p(t: float, freedom: int) -> float:
    """The chance of a Student's t beyond ``|t|``, either way.

    The finite series for whole degrees of freedom (Abramowitz & Stegun, 26.7.3 and 26.7.4). It is 1
    less a sum, so a p below 1e-12 is noise.

    >>> round(two_sided_p(4.3027, 2), 5), round(two_sided_p(2.7764, 4), 5)
    (0.05, 0.05)
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = sine * (math.cos(angle) if odd else 1.0)
    total = 0.0
    for power in range(2 + odd, freedom + 1, 2):
        total += term
        term *= square * (power - 1) / power
    inside = 2 / math.pi * (angle + total) if odd else total
    return max(0.0, 1.0 - inside)
