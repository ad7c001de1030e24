"""How the gates of a mixture weigh its experts: mean weights, loads and entropy."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.model.mixture import expert_names
from pipeline.spec_model import ModelSpec


def gate_sums(gate: Tensor, row_weights: Tensor) -> Tensor:
    """Sums over a batch's rows, which add up over batches and ranks.

    A row's experts are those that a sparse gate keeps; where it keeps all, as a dense gate does,
    the one of the largest weight. An expert's load is the share of the rows whose expert it is.

    Args:
        gate: weights (T, S, B).
        row_weights: (B,); 0 marks padding, which does not count.

    Returns:
        (T, 2 S + 2) float64: each expert's weights and the rows whose expert it is, the rows'
        entropies in nats, and the rows.
    """
    weights = gate[:, :, row_weights > 0].double()
    kept = weights > 0
    largest = weights == weights.amax(dim=1, keepdim=True)
    # Of equal weights, as at the start of a training, the first.
    largest &= largest.cumsum(dim=1) == 1
    chosen = torch.where(kept.all(dim=1, keepdim=True), largest, kept)
    entropies = torch.special.entr(weights).sum(dim=1, keepdim=True)
    columns = [weights, chosen.double(), entropies, torch.ones_like(entropies)]
    return torch.cat(columns, dim=1).sum(dim=2)


def gate_figures(sums: Tensor, labels: Sequence[str], spec: ModelSpec) -> dict[str, Any]:
    """The statistics of rows, ready for JSON.

    Args:
        sums: of ``gate_sums``.
        labels: of the T tasks.
        spec: the groups of experts.

    Returns:
        By label, each expert's mean ``weight``, its ``load``, and the mean ``entropy`` of a row's
        weights, over ln S: 1 where they are equal, 0 where one expert has all.
    """
    experts = expert_names(spec.resolved_groups)
    largest_entropy = math.log(len(experts)) if len(experts) > 1 else 1.0
    figures = {}
    for label, of_task in zip(labels, sums.tolist(), strict=True):
        *shares, entropy, rows = of_task
        means = [value / rows for value in shares]
        figures[label] = {
            "entropy": entropy / rows / largest_entropy,
            "weight": dict(zip(experts, means, strict=False)),
            "load": dict(zip(experts, means[len(experts) :], strict=True)),
        }
    return figures
