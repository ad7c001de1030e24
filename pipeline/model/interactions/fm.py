"""FM: first-order terms and the inner products of all pairs of fields, added up."""

import torch

from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import SetLinear
from pipeline.spec_model import GroupSpec, ModelSpec


class FM(Interaction):
    """h = sum_i <u_i, e_i> + sum_(i < j) <e_i, e_j>: (M, B, F, K) -> (M, B, 1).

    The tower adds w_0. The pairs are half of |sum_i e_i|^2 - sum_i |e_i|^2, in O(F K). First-order
    weights need no tables of their own: the weight of a value is <u_i, e_i>, with a vector u_i of
    its field (FiLV). All sums are in float32 under autocast, for the logit is one of them.

    There is no projection, and the mean over M sets is the FM of one set of M K columns, each
    scaled by M^(-1/2): without a non-linearity sets are one wide embedding (Appendix E).
    Rendle, 'Factorization Machines', ICDM 2010, eq. 1 and Lemma 3.1; first-order terms: Pan et al.,
    'Field-weighted Factorization Machines', WWW 2018, FwFM_FiLV.
    """

    tower = "sum"

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        super().__init__(fields, group, spec)
        self.streams = (1,)
        self.first_order = SetLinear(group.sets, fields * group.embedding_dim, 1, bias=False)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, B, F, K) -> (M, B, 1)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            first_order = self.first_order(embeddings.flatten(2))
            squares = embeddings.sum(dim=2).square() - embeddings.square().sum(dim=2)
            return first_order + squares.sum(dim=2, keepdim=True) / 2
