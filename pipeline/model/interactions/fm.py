"""FM: first-order weights and the inner products of all pairs of fields, added up."""

import torch

from pipeline.model.interactions.interaction import Interaction
from pipeline.spec_model import GroupSpec, ModelSpec


class FM(Interaction):
    """h = sum_i w_i + sum_(i < j) <v_i, v_j>: (M, B, F, K + 1) -> (M, B, 1).

    A row of field i's table is (v_i, w_i): K factors and, in the last column, the value's
    first-order weight. The tower adds w_0. The pairs are half of |sum_i v_i|^2 - sum_i |v_i|^2, in
    O(F K). All sums are in float32 under autocast, for the logit is one of them. There are no
    parameters but the tables'.

    The weights have a column of their own, though <u_i, v_i> with a vector of each field would do
    without (FwFM_FiLV): on Frappe that draws the factors into the one direction u_i, the
    interaction-collapse law at work, and training ends at AUC 0.934, that of logistic regression.

    There is no projection, and the mean over M sets is the FM of one set of M K factors, each
    scaled by M^(-1/2): without a non-linearity sets are one wide embedding (Appendix E).
    Rendle, 'Factorization Machines', ICDM 2010, eq. 1 and Lemma 3.1.
    """

    tower = "sum"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.streams = (1,)

    @staticmethod
    def table_columns(fields: int, embedding_dim: int) -> int:
        """C = K + 1."""
        return embedding_dim + 1

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K + 1) -> (M, B, 1)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            factors, weights = embeddings[..., :-1], embeddings[..., -1:]
            squares = factors.sum(dim=2).square() - factors.square().sum(dim=2)
            return weights.sum(dim=2) + squares.sum(dim=2, keepdim=True) / 2
