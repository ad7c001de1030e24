"""Mixture of experts with a noisy top-k gate for every task."""

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.model.heads.gate_inputs import GateScores
from pipeline.model.heads.head import Gate, Head, HeadInputs
from pipeline.spec_model import ModelSpec


class SparseGateHead(Head):
    """h = sum_s g_s h_s, g = softmax(KeepTopK(H, k)), H = W x + b + z softplus(W' x + b').

    z is standard normal, drawn anew for each score in training; evaluation takes H without it.
    KeepTopK sets all but the k largest to minus infinity. All weights start at 0. With all experts
    kept and no noise it is the dense gate. Every expert is computed, whatever its weight, since
    experts are one batched operation: k shapes what is learnt and saves no time. The softmax of one
    kept score is the constant 1, so with k = 1 only the balance trains the gate.

    Shazeer et al., 'Outrageously Large Neural Networks', ICLR 2017, equations 3 to 5.
    """

    def __init__(self, inputs: HeadInputs, spec: ModelSpec) -> None:
        super().__init__(inputs, spec)
        self._kept = spec.gate.top_k
        self._all_kept = spec.gate.top_k == inputs.experts
        self._balance_weight = spec.gate.balance_weight
        self.scores = GateScores(inputs, spec)
        self.deviations = GateScores(inputs, spec) if spec.gate.noise else None

    def forward(self, embeddings: Sequence[torch.Tensor]) -> Gate:
        """Embeddings (M, B, F, C) -> weights (T, S, B) that sum to 1 over S, at most k above 0."""
        clean = self.scores(embeddings)
        if not self.training:
            return Gate(self._weights(clean), None)
        if self.deviations is None:
            weights = self._weights(clean)
            return Gate(weights, self._balance_weight * _squared_variation(weights.sum(dim=2)))
        deviation = nn.functional.softplus(self.deviations(embeddings))
        noisy = clean + torch.randn_like(clean) * deviation
        weights = self._weights(noisy)
        unevenness = _squared_variation(weights.sum(dim=2))
        if not self._all_kept:
            chances = chances_of_being_kept(clean, noisy, deviation, self._kept)
            unevenness = unevenness + _squared_variation(chances.sum(dim=2))
        return Gate(weights, self._balance_weight * unevenness)

    def _weights(self, scores: torch.Tensor) -> torch.Tensor:
        """The softmax over each row's k largest scores, (T, S, B)."""
        if self._all_kept:
            return scores.softmax(dim=1)
        kept = scores.topk(self._kept, dim=1).indices
        others = torch.full_like(scores, -torch.inf)
        return others.scatter(1, kept, scores.gather(1, kept)).softmax(dim=1)


def chances_of_being_kept(
    clean: torch.Tensor, noisy: torch.Tensor, deviation: torch.Tensor, kept: int
) -> torch.Tensor:
    """P_s, the chance that expert s is kept if its noise alone is drawn again.

    P_s = Phi((clean_s - t_s) / deviation_s), where t_s is the k-th largest of the others' noisy
    scores. Its sum over rows is a load that has a gradient (Shazeer et al., equations 8 to 10).

    Args:
        clean: scores before the noise, (T, S, B).
        noisy: the same rows' scores with it.
        deviation: of the noise.
        kept: k, below S.
    """
    highest = noisy.topk(kept + 1, dim=1).values
    first_left_out, last_kept = highest[:, kept:], highest[:, kept - 1 : kept]
    threshold = torch.where(noisy > first_left_out, first_left_out, last_kept)
    return torch.special.ndtr((clean - threshold) / deviation)


def _squared_variation(sums: torch.Tensor) -> torch.Tensor:
    """The squared coefficient of variation over experts, added up over tasks: (T, S) -> ().

    The deviation is that of a whole population. Of the sum of weights it is the paper's importance
    loss (equations 6 and 7), of the load its load loss (equation 11).
    """
    variation = sums.var(dim=1, correction=0) / sums.mean(dim=1).square()
    return variation.sum()
