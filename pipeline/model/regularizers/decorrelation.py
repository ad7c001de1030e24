"""Decorrelates the columns of an embedding."""

import torch

from pipeline.model.regularizers.gram import gram_matrices


def decorrelation(embeddings: torch.Tensor) -> torch.Tensor:
    """Sum of the squared off-diagonal covariances of a batch's columns, over C.

    Its mean over sets and fields. Bardes et al., 'VICReg', ICLR 2022, eq. 4, without the term that
    keeps variances up: the loss of the clicks does that. It scales as the fourth power of the
    embeddings; the covariance is over B, not B - 1, so that one row has one.

    Args:
        embeddings: (M, B, F, C), C at least 2.
    """
    centred = embeddings - embeddings.mean(dim=1, keepdim=True)
    covariance = gram_matrices(centred) / embeddings.shape[1]
    variances = torch.diag_embed(covariance.diagonal(dim1=2, dim2=3))
    squares = (covariance - variances).square().sum(dim=(2, 3))
    return squares.mean() / embeddings.shape[3]
