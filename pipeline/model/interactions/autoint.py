"""AutoInt: multi-head self-attention over the fields."""

import torch
from torch import nn

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.model.row_blocks import block_rows
from pipeline.spec_model import GroupSpec, ModelSpec

# torch's flash attention, which serves bf16 on CUDA, takes no larger batch: its grid has a block
# for each, in a dimension that CUDA limits to this.
MOST_ON_CUDA = 65_535


class SetAttention(nn.Module):
    """Self-attention over fields for every set: (M, B, F, in) -> (M, B, F, heads x head_dim).

    In each head a_ij = softmax_j(<Q e_i, K e_j> / sqrt(head_dim)); the heads' sum_j a_ij V e_j
    side by side, plus W e_i, pass ReLU. All matrices start Xavier uniform; there are no biases.

    Attributes:
        query, key, value, residual: Q, K, V of all heads side by side, and W; each (M, in, out).
    """

    def __init__(self, sets: int, in_features: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self._heads, self._head_dim = heads, head_dim
        shape = (sets, in_features, heads * head_dim)
        self.query, self.key, self.value, self.residual = (
            nn.Parameter(torch.empty(shape)) for _ in range(4)
        )
        for matrices in self.parameters():
            for matrix in matrices:
                nn.init.xavier_uniform_(matrix)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(M, B, F, in) -> (M, B, F, heads x head_dim)."""
        fields = inputs.shape[2]
        rows = inputs.flatten(1, 2)
        # (M B, heads, F, head_dim); one product for all three would have to copy their gradients.
        queries, keys, values = (
            torch.bmm(rows, matrices).view(-1, fields, self._heads, self._head_dim).transpose(1, 2)
            for matrices in (self.query, self.key, self.value)
        )
        attended = _attended(queries, keys, values)
        side_by_side = attended.transpose(1, 2).reshape(*rows.shape[:2], -1)
        outputs = torch.baddbmm(side_by_side, rows, self.residual).relu()
        return outputs.unflatten(1, inputs.shape[1:3])


def _attended(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Scaled dot-product attention, each (M B, heads, F, head_dim), on CPUs never in bfloat16.

    torch's backward of (420, 2, 39, 32) in bfloat16 took 180 ms on two cores with AMX; in float32
    forward, backward and the casts took 27.
    """
    attention = nn.functional.scaled_dot_product_attention
    if queries.device.type != "cpu" or queries.dtype != torch.bfloat16:
        return attention(queries, keys, values)
    with torch.autocast("cpu", enabled=False):
        return attention(queries.float(), keys.float(), values.float()).to(queries.dtype)


def attention_rows(sets: int, set_numbers: int, device: torch.device) -> int:
    """The rows whose attention is computed at once.

    Args:
        sets: M.
        set_numbers: the numbers that one row has in one set.
        device: where they are.
    """
    rows = block_rows(sets * set_numbers, device)
    # M times the rows is the batch that torch's attention sees.
    return min(rows, MOST_ON_CUDA // sets) if device.type == "cuda" else rows


class AutoInt(Interaction):
    """h = hidden block of the fields after layers of self-attention: (M, B, F, K) -> (M, B, H).

    Song et al., 'AutoInt', CIKM 2019, eq. 5 to 8. As in their code scores are divided by
    sqrt(head_dim), which the equations leave out; its ReLU on queries, keys and values and its
    layer normalisation, which the equations do not have either, are left out here.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        sets, layers, heads = group.sets, spec.autoint.layers, spec.autoint.heads
        self._width = width = heads * spec.autoint.head_dim
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
        sets, _, fields, _ = embeddings.shape
        rows = attention_rows(sets, fields * self._width, embeddings.device)
        parts = [self.attention(block).flatten(2) for block in embeddings.split(rows, dim=1)]
        return self.projection(torch.cat(parts, dim=1))
