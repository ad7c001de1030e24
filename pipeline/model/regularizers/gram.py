"""Gram matrices of a batch's embeddings."""

import torch


def gram_matrices(embeddings: torch.Tensor) -> torch.Tensor:
    """E^T E of every set and field, E (B, C) a batch's rows: (M, B, F, C) -> (M, F, C, C)."""
    by_field = embeddings.transpose(1, 2)
    return by_field.transpose(2, 3) @ by_field
