"""DCNv2: explicit crosses of every order up to the number of layers plus one."""

import torch
from torch import nn

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class DCNv2(Interaction):
    """Stacked DCNv2 with full-rank cross layers: (M, B, F, K) -> (M, B, H).

    x_0 = [e_1, .., e_F], x_(l+1) = x_0 * (W_l x_l + b_l) + x_l, then the projection. W_l is d x d,
    d = F K, and starts Xavier uniform; b_l starts at 0.
    Wang et al., 'DCN V2', WWW 2021, eq. 1.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        width = fields * group.embedding_dim
        layers = spec.dcnv2.layers
        self.streams = (spec.hidden_dim,)
        # As baddbmm reads them: x W, so each is the transpose of the paper's.
        self.weights = nn.ParameterList(
            torch.empty(group.sets, width, width) for _ in range(layers)
        )
        self.biases = nn.ParameterList(torch.zeros(group.sets, 1, width) for _ in range(layers))
        for weight in self.weights:
            for matrix in weight:
                nn.init.xavier_uniform_(matrix)
        self.projection = HiddenBlock(
            group.sets, width, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        first = embeddings.flatten(2)
        crossed = first
        for weight, bias in zip(self.weights, self.biases, strict=True):
            crossed = torch.addcmul(crossed, first, torch.baddbmm(bias, crossed, weight))
        return self.projection(crossed)
