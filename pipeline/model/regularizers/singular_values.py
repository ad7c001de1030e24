"""Keeps the singular values of an embedding alike."""

import torch

from pipeline.model.regularizers.gram import gram_matrices


def singular_value_spread(embeddings: torch.Tensor) -> torch.Tensor:
    """Mean over sets and fields of var_k(s_k / mean(s)), s the batch's singular values.

    The variance is over C - 1, as in the paper's code, which weighs it 1e-5 to 1e-3 for a single
    embedding. All C values count, those that are 0 because a batch has fewer distinct rows too.

    Args:
        embeddings: (M, B, F, C), C at least 2.
    """
    values = _singular_values(embeddings)
    mean = values.mean(dim=-1, keepdim=True)
    relative = values / mean.clamp_min(torch.finfo(values.dtype).tiny)
    return relative.var(dim=-1).mean().to(embeddings.dtype)


def _singular_values(embeddings: torch.Tensor) -> torch.Tensor:
    """(M, B, F, C) -> (M, F, C) in float64, ascending: roots of the eigenvalues of Gram matrices.

    A Gram matrix squares the condition: float64 resolves values down to 5e-8 of the largest,
    float32 would to 1e-3 only. The gradient of an eigenvalue needs no gaps between them. That of
    a root is infinite at 0, so values below the resolution are 0 and have none.
    """
    # eigvalsh raises for nan; a training that diverged is told by its loss.
    gram = gram_matrices(embeddings.double()).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    eigenvalues = torch.linalg.eigvalsh(gram)
    resolution = embeddings.shape[3] * torch.finfo(gram.dtype).eps
    resolved = eigenvalues > resolution * eigenvalues[..., -1:]
    roots = torch.where(resolved, eigenvalues, 1.0).sqrt()
    return torch.where(resolved, roots, 0.0)
