"""Keeps the sets' interactions alike, the paper's ablation of Figures 10c and 10d."""

import torch


def interaction_alignment(block_norms: torch.Tensor) -> torch.Tensor:
    """Mean over layers and field pairs of the variance over sets of ||W_ij^(m)||_F^2.

    The variance is over M, not M - 1, as in the paper's code, which weighs it 1.

    Args:
        block_norms: squared norms, (layers, M, F, F).
    """
    return block_norms.var(dim=1, correction=0).mean()
