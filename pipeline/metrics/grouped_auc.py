"""GAUC: how well rows are ordered inside each group, such as each user's."""

import torch
from torch import Tensor

from pipeline.metrics.runs import run_lengths, run_starts, run_sums
from pipeline.metrics.score_cells import KEY_BITS

_HALF_OF_KEYS = 1 << (KEY_BITS - 1)


def grouped_auc_sums(groups: Tensor, keys: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Sums over groups, all of whose rows are here; they add up over sets of groups.

        GAUC = sum_g w_g AUC_g / sum_g w_g,    w_g the weight of group g's rows

    (Zhou et al., Deep Interest Network, KDD 2018, section 6.3, where w_g are a user's impressions,
    after Zhu et al., Optimized Cost per Click in Taobao Display Advertising, KDD 2017). Groups of
    one class have no AUC and are left out of both sums.

    Args:
        groups: (B,) int32, each row's group.
        keys: (B,) int32, the scores' keys.
        labels: (B,) 0 or 1.
        weights: (B,) more than 0.

    Returns:
        (3,) float64: sum_g w_g AUC_g, sum_g w_g, and the number of groups, of both classes.
    """
    # One sort: by group, and by score in it.
    codes, order = torch.sort((groups.long() << KEY_BITS) + keys)
    tie_starts = run_starts(codes)
    ties = run_lengths(tie_starts)
    weights, labels = weights.index_select(0, order).double(), labels.index_select(0, order) > 0
    positive, negative = run_sums(weights * labels, ties), run_sums(weights * ~labels, ties)

    groups_of_ties = (codes[tie_starts] + _HALF_OF_KEYS) >> KEY_BITS
    of_group = run_lengths(run_starts(groups_of_ties))
    positives, negatives = run_sums(positive, of_group), run_sums(negative, of_group)
    # Negatives below a tie: those of all groups so far, less those of the groups before its own.
    before = (negatives.cumsum(0) - negatives).repeat_interleave(of_group)
    wins = run_sums(positive * (negative.cumsum(0) - before - negative / 2), of_group)
    pairs = positives * negatives
    both = pairs > 0
    group_weights = (positives + negatives)[both]
    weighted_auc = group_weights * wins[both] / pairs[both]
    return torch.stack([weighted_auc.sum(), group_weights.sum(), both.double().sum()])
