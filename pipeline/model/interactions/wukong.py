"""Wukong: stacked factorization machines, each layer doubling the order of the crosses."""

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock, SetLayerNorm, SetLinear
from pipeline.spec_model import GroupSpec, ModelSpec


class Wukong(Interaction):
    """Wukong layers over [e_1, .., e_F], then the projection: (M, B, F, K) -> (M, B, H).

    X^0 holds the F embeddings as rows. X^(l+1) = LN([FMB(X^l); LCB(X^l)] + R(X^l)) has w rows of
    each block:
    FMB(X) = reshape(MLP(LN(flatten(X X^T Y)))), Y (n, rank), MLP Linear, ReLU, Linear of width
    hidden_dim;
    LCB(X) = W X; R(X) = X where X^l has 2 w rows already, V X otherwise.
    The outer LN is over the K numbers of an embedding; of one number it leaves nothing, so K = 1 is
    refused.
    Zhang et al., 'Wukong: Towards a Scaling Law for Large-Scale Recommendation', ICML 2024 (arXiv
    2403.02545), Section 3; no part of the multi-embedding paper.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, size, made = group.sets, group.embedding_dim, 2 * spec.wukong.width
        if size == 1:
            raise InputError(
                "model: wukong normalises the numbers of an embedding, and of one nothing is left; "
                "set embedding_dim to 2 or more"
            )
        self.streams = (spec.hidden_dim,)
        read = [fields, *[made] * (spec.wukong.layers - 1)]
        # A last shift would be subtracted again by the projection's batch normalisation.
        shifts = [*[True] * (len(read) - 1), spec.normalization in ("layer", "none")]
        self.layers = nn.ModuleList(
            _WukongLayer(sets, of, size, shift, spec)
            for of, shift in zip(read, shifts, strict=True)
        )
        self.projection = HiddenBlock(
            sets, made * size, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        for layer in self.layers:
            embeddings = layer(embeddings)
        return self.projection(embeddings.flatten(2))


class _WukongLayer(nn.Module):
    """(M, B, n, K) -> (M, B, 2 w, K)."""

    def __init__(self, sets: int, read: int, size: int, shift: bool, spec: ModelSpec) -> None:
        super().__init__()
        width, rank, hidden = spec.wukong.width, spec.wukong.rank, spec.hidden_dim
        self.compress = SetLinear(sets, read, width, bias=False)
        self.reduce = SetLinear(sets, read, rank, bias=False)
        self.crosses = nn.Sequential(
            SetLayerNorm(sets, read * rank),
            SetLinear(sets, read * rank, hidden),
            nn.ReLU(),
            SetLinear(sets, hidden, size * width),
        )
        same = read == 2 * width
        self.residual = nn.Identity() if same else SetLinear(sets, read, 2 * width, bias=False)
        self.norm = SetLayerNorm(sets, size, bias=shift)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, n, K) -> (M, B, 2 w, K)."""
        sets, rows, _, size = embeddings.shape
        # What mixes embeddings does the same for every k: (M, B K, n).
        by_number = embeddings.transpose(2, 3).flatten(1, 2)
        reduced = self.reduce(by_number).reshape(sets * rows, size, -1)
        products = torch.bmm(embeddings.flatten(0, 1), reduced).view(sets, rows, -1)
        crosses = self.crosses(products).reshape(sets, rows * size, -1)
        joined = torch.cat([crosses, self.compress(by_number)], dim=2) + self.residual(by_number)
        made = joined.view(sets, rows, size, -1).transpose(2, 3)
        return self.norm(made.flatten(1, 2)).view(made.shape)
