"""Balances the spectrum of an embedding."""

import torch

from pipeline.model.regularizers.gram import gram_matrices


def spectral_balance(embeddings: torch.Tensor) -> torch.Tensor:
    """C sum_k s_k^4 / (sum_k s_k^2)^2 - 1, s the singular values of a batch's embedding.

    Its mean over sets and fields: 0 where all singular values are equal, C - 1 at rank 1. It is C
    over the participation ratio, less 1, and equals ||C G / tr(G) - I||_F^2 / C for the Gram
    matrix G, so no singular value is computed.

    Peng et al., 'Balancing Embedding Spectrum for Recommendation' (DirectSpec), arXiv 2406.12032,
    make the step E - a E E^T E beside the loss: a gradient step on sum_k s_k^4 / 4, which shrinks
    every s_k and the large ones most. Here it is a term of the loss, and the quotient makes it
    blind to scale: values above the mean shrink, those below grow, and ||E||_F stays.

    Args:
        embeddings: (M, B, F, C), C at least 2.
    """
    columns = embeddings.shape[3]
    gram = gram_matrices(embeddings)
    energy = gram.diagonal(dim1=2, dim2=3).sum(dim=2)
    # Bags of a field can all be empty, and its batch 0.
    share = gram / energy.clamp_min(torch.finfo(gram.dtype).tiny)[..., None, None]
    identity = torch.eye(columns, dtype=gram.dtype, device=gram.device)
    distances = (columns * share - identity).square().sum(dim=(2, 3))
    return distances.mean() / columns
