"""Regularised DCNv2, which keeps projections from collapsing (the paper, Evidence III)."""

import torch
from torch import nn

from pipeline.console import InputError
from pipeline.model.interactions.dcnv2 import DCNv2
from pipeline.spec_model import GroupSpec, ModelSpec


class RegularizedDCNv2(DCNv2):
    """DCNv2 whose blocks are pulled towards unitary matrices with learnable scales.

    The block from e_i to what e_j meets is s_ij W_(i->j), with s_ij a number that starts at 1, and
    weight * sum ||W_(i->j) W_(i->j)^T - I||_F^2 over blocks, layers and sets is added to the loss,
    as in the paper's code. The paper writes ||W^T W - lambda^2 I||_F^2 of the whole block W with
    learnable lambda: the same up to a factor lambda^4, with lambda = s.
    """

    def __init__(self, fields: int, group: GroupSpec, spec: ModelSpec) -> None:
        if spec.dcnv2.rank:
            raise InputError(
                f"model.dcnv2.rank is {spec.dcnv2.rank}: regularized_dcnv2 has whole blocks; "
                "leave it out"
            )
        super().__init__(fields, group, spec)
        self.scales = nn.ParameterList(
            torch.ones(group.sets, fields, fields) for _ in range(spec.dcnv2.layers)
        )
        self._weight = spec.regularized_dcnv2.weight

    def applied_weights(self) -> list[torch.Tensor]:
        """By layer (M, d, d), scaled."""
        return [
            (self._by_pair(weight) * scale[:, :, None, :, None]).view_as(weight)
            for weight, scale in zip(self.weights, self.scales, strict=True)
        ]

    def penalty(self) -> torch.Tensor | None:
        """The distance of the blocks from unitary matrices, weighted."""
        if not self._weight:
            return None
        distances = [_distance_from_unitary(self._by_pair(weight)) for weight in self.weights]
        return self._weight * torch.stack(distances).sum()


def _distance_from_unitary(blocks: torch.Tensor) -> torch.Tensor:
    """Sum of ||W W^T - I||_F^2 over blocks, (M, F, K, F, K) -> ()."""
    matrices = blocks.transpose(2, 3).flatten(0, 2)
    identity = torch.eye(matrices.shape[1], dtype=matrices.dtype, device=matrices.device)
    return (torch.bmm(matrices, matrices.transpose(1, 2)) - identity).square().sum()
