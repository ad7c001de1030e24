"""FFM: a sub-embedding of every field for each field that it meets."""

import torch

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import SetLinear
from pipeline.model.row_blocks import block_rows
from pipeline.spec_model import GroupSpec, ModelSpec


class FFM(Interaction):
    """h = sum_i <u_i, v_i^(->i)> + sum_(i < j) <v_i^(->j), v_j^(->i)>: (M, B, F, F K) -> (M, B, 1).

    A row of field i's table is v_i^(->1), .., v_i^(->F), K columns each. No pair needs v_i^(->i):
    with a vector u_i of its field it gives the value's first-order weight, which is free, as in the
    original. The tower adds w_0. All sums are in float32 under autocast.
    Juan et al., 'Field-aware Factorization Machines for CTR Prediction', RecSys 2016, eq. 4.
    """

    tower = "sum"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.streams = (1,)
        self._fields = fields
        self.first_order = SetLinear(group.sets, fields * group.embedding_dim, 1, bias=False)

    @staticmethod
    def table_columns(fields: int, embedding_dim: int) -> int:
        """C = F K."""
        return fields * embedding_dim

    def sub_embedding_maps(self, field: int) -> torch.Tensor | None:
        """The columns of v_i^(->j) out of the row's: (M, F, F K, K)."""
        columns = torch.eye(self.first_order.weight.shape[1])
        towards = columns.view(-1, self._fields, columns.shape[0] // self._fields)
        return towards.transpose(0, 1).expand(self.first_order.weight.shape[0], -1, -1, -1)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, F K) -> (M, B, 1)."""
        rows = block_rows(embeddings[:, 0].numel(), embeddings.device)
        with torch.autocast(embeddings.device.type, enabled=False):
            blocks = embeddings.unflatten(3, (self._fields, -1)).split(rows, dim=1)
            return torch.cat([self._sums(block) for block in blocks], dim=1)

    def _sums(self, towards: torch.Tensor) -> torch.Tensor:
        """Sub-embeddings (M, rows, F, F, K) -> (M, rows, 1)."""
        own = towards.diagonal(dim1=2, dim2=3).transpose(2, 3)
        products = (towards * towards.transpose(2, 3)).sum(dim=4)
        pairs = products.triu(diagonal=1).sum(dim=(2, 3))
        return self.first_order(own.flatten(2)) + pairs.unsqueeze(2)
