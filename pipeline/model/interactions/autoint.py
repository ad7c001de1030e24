"""AutoInt: multi-head self-attention over the fields."""

import torch
from torch import nn

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec


class SetAttention(nn.Module):
    """Self-attention over fields for every set: (M, B, F, in) -> (M, B, F, heads x head_dim).

    In each head a_ij = softmax_j(<Q e_i, K e_j> / sqrt(head_dim)); the heads' sum_j a_ij V e_j
    side by side, plus W e_i, pass ReLU. All matrices start Xavier uniform; there are no biases.
    """

    def __init__(self, sets: int, in_features: int, heads: int, head_dim: int) -> None:
        super().__init__()
        width = heads * head_dim
        self._heads = heads
        matrices = torch.empty(4, sets, in_features, width)
        for matrix in matrices.flatten(0, 1):
            nn.init.xavier_uniform_(matrix)
        # Queries, keys and values side by side.
        self.projections = nn.Parameter(torch.cat(list(matrices[:3]), dim=2))
        self.residual = nn.Parameter(matrices[3].clone())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(M, B, F, in) -> (M, B, F, heads x head_dim)."""
        sets, _, fields, _ = inputs.shape
        rows = inputs.flatten(1, 2)
        projected = torch.bmm(rows, self.projections)
        # (3, M B, heads, F, head_dim)
        split = projected.view(-1, fields, 3, self._heads, projected.shape[2] // 3 // self._heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(queries, keys, values)
        side_by_side = attended.transpose(1, 2).reshape(sets, rows.shape[1], -1)
        outputs = torch.baddbmm(side_by_side, rows, self.residual).relu()
        return outputs.unflatten(1, inputs.shape[1:3])


class AutoInt(Interaction):
    """h = hidden block of the fields after layers of self-attention: (M, B, F, K) -> (M, B, H).

    Song et al., 'AutoInt', CIKM 2019, eq. 5 to 8. As in their code scores are divided by
    sqrt(head_dim), which the equations leave out; its ReLU on queries, keys and values and its
    layer normalisation, which the equations do not have either, are left out here.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, layers, heads = group.sets, spec.autoint.layers, spec.autoint.heads
        width = heads * spec.autoint.head_dim
        self.streams = (spec.hidden_dim,)
        self.attention = nn.Sequential(
            *(
                SetAttention(
                    sets, width if layer else group.embedding_dim, heads, spec.autoint.head_dim
                )
                for layer in range(layers)
            )
        )
        self.projection = HiddenBlock(
            sets, fields * width, spec.hidden_dim, spec.normalization, spec.dropout
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, H)."""
        return self.projection(self.attention(embeddings).flatten(2))
