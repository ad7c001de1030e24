"""DCNv2: explicit crosses of every order up to the number of layers plus one."""

import torch
from torch import nn

from pipeline.model.interactions.cross_layers import cross
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class DCNv2(Interaction):
    """Stacked DCNv2: (M, B, F, K) -> (M, B, H).

    x_0 = [e_1, .., e_F], x_(l+1) = x_0 * (W_l x_l + b_l) + x_l, then the projection. W_l is d x d,
    d = F K, or of low rank, W_l = U_l V_l with U_l (d, rank) and V_l (rank, d), where the spec
    gives a rank. Matrices start Xavier uniform; b_l starts at 0.
    Wang et al., 'DCN V2', WWW 2021, eq. 1 and 2.

    Attributes:
        weights: by layer W_l (M, d, d), or U_l (M, rank, d).
        reductions: by layer V_l (M, d, rank); none at full rank.
        biases: by layer (M, 1, d).
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, width = group.sets, fields * group.embedding_dim
        layers, rank = spec.dcnv2.layers, spec.dcnv2.rank
        self.streams = (spec.hidden_dim,)
        self._fields = fields
        # As baddbmm reads them: x W, so each is the transpose of the paper's.
        self.weights = _matrices(layers, sets, rank or width, width)
        self.reductions = _matrices(layers if rank else 0, sets, width, rank)
        self.biases = nn.ParameterList(torch.zeros(sets, 1, width) for _ in range(layers))
        self.projection = HiddenBlock(
            sets, width, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        crossed = cross(
            embeddings.flatten(2),
            self.applied_weights(),
            list(self.reductions),
            list(self.biases),
        )
        return self.projection(crossed)

    def applied_weights(self) -> list[torch.Tensor]:
        """``weights`` as the layers apply them."""
        return list(self.weights)

    def block_norms(self) -> torch.Tensor | None:
        """||W_(i->j)||_F^2, (layers, M, F, F): of the block that takes e_i to what e_j meets."""
        weights = self.applied_weights()
        blocks = torch.stack([self._blocks(layer, of) for layer, of in enumerate(weights)])
        return blocks.square().sum(dim=(3, 5))

    def sub_embedding_maps(self, field: int) -> torch.Tensor | None:
        """Of the first layer, x_0 * (W_0 x_0): (M, F, K, K)."""
        return self._blocks(0, self.applied_weights()[0])[:, field].transpose(1, 2)

    def _blocks(self, layer: int, weight: torch.Tensor) -> torch.Tensor:
        """(M, F, K, F, K): at [m, i, :, j] what takes e_i to what e_j meets."""
        if self.reductions:
            weight = torch.bmm(self.reductions[layer], weight)
        return self._by_pair(weight)

    def _by_pair(self, weight: torch.Tensor) -> torch.Tensor:
        """(M, d, d) -> (M, F, K, F, K)."""
        fields = self._fields
        return weight.unflatten(2, (fields, -1)).unflatten(1, (fields, -1))


def _matrices(layers: int, sets: int, rows: int, columns: int) -> nn.ParameterList:
    """For each layer (M, rows, columns), each set's own Xavier uniform matrix."""
    parameters = nn.ParameterList(torch.empty(sets, rows, columns) for _ in range(layers))
    for parameter in parameters:
        for matrix in parameter:
            nn.init.xavier_uniform_(matrix)
    return parameters
