"""Keeps the subspaces of a field's embedding sets apart."""

import torch


def space_similarity(embeddings: torch.Tensor) -> torch.Tensor:
    """Mean of the squared singular values of E^(m)^T E^(m'), over them, fields and pairs of sets.

    E^(m) (B, C) is a field's batch in set m. The sum of squared singular values is a squared
    Frobenius norm, so none are computed. The paper's code takes each singular value's mean over
    fields before it squares, and weighs the result 1e-5 to 1e-3; it grows as B^2.

    Args:
        embeddings: (M, B, F, C), M at least 2.
    """
    sets, _, fields, columns = embeddings.shape
    side_by_side = embeddings.permute(2, 1, 0, 3).flatten(2)
    products = side_by_side.transpose(1, 2) @ side_by_side
    blocks = products.unflatten(2, (sets, columns)).unflatten(1, (sets, columns))
    norms = blocks.square().sum(dim=(2, 4))
    pairs = sets * (sets - 1) // 2
    return norms.triu(diagonal=1).sum() / (fields * pairs * columns)
