"""The loss of a batch, and the padding rows that must leave no trace in it."""

from collections.abc import Callable, Sequence
from typing import Literal

import pytest
import torch
from torch import Tensor
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.batch import Batch
from pipeline.data.manifest import Field
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec_model import ModelSpec

RandomFeatures = Callable[[Sequence[Field], int], KeyedJaggedTensor]
Normalization = Literal["batch", "layer", "none"]

FIELDS = (Field("user", "categorical", 50), Field("item", "categorical", 30))
ROWS = 32


def outcome(
    features: KeyedJaggedTensor, labels: Tensor, weights: Tensor, normalization: Normalization
) -> tuple[float, list[Tensor]]:
    """The loss, and the gradient of every parameter."""
    torch.manual_seed(0)
    spec = ModelSpec(hidden_dim=16, dropout=0.0, normalization=normalization)
    task = ClickTask(MultiEmbedding(FIELDS, spec), spec)
    loss, _ = task(Batch(features, labels.unsqueeze(0), weights))
    loss.backward()
    return loss.item(), [p.grad for p in task.parameters() if p.grad is not None]


def test_loss_is_the_weighted_mean_of_binary_cross_entropy(random_features: RandomFeatures) -> None:
    spec = ModelSpec(hidden_dim=16)
    task = ClickTask(MultiEmbedding(FIELDS, spec), spec)
    labels, weights = (torch.arange(ROWS) % 2).float(), torch.linspace(0, 2, ROWS)
    loss, prediction = task(Batch(random_features(FIELDS, ROWS), labels.unsqueeze(0), weights))
    p = prediction.logits[0].double().sigmoid()
    terms = torch.where(labels == 1, -p.log(), -(1 - p).log())
    expected = (weights * terms).sum().item() / ROWS
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert not prediction.logits.requires_grad


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_labels_of_padding_rows_have_no_effect(
    normalization: Normalization, random_features: RandomFeatures
) -> None:
    weights = torch.ones(ROWS)
    weights[-5:] = 0
    labels = (torch.arange(ROWS) % 2).float()
    flipped = torch.where(weights == 0, 1 - labels, labels)
    features = random_features(FIELDS, ROWS)
    loss, gradients = outcome(features, labels, weights, normalization)
    other_loss, other_gradients = outcome(features, flipped, weights, normalization)
    assert loss == other_loss
    for ours, theirs in zip(gradients, other_gradients, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("normalization", ["layer", "none"])
def test_padding_rows_have_no_effect_where_rows_are_normalized_alone(
    normalization: Normalization, random_features: RandomFeatures
) -> None:
    real = ROWS - 8
    labels = (torch.arange(ROWS) % 2).float()
    weights = torch.where(torch.arange(ROWS) < real, ROWS / real, 0.0)
    features = random_features(FIELDS, ROWS)
    ids = {field.name: features[field.name].values()[:real] for field in FIELDS}
    short = KeyedJaggedTensor.from_lengths_sync(
        keys=list(ids),
        values=torch.cat(list(ids.values())),
        lengths=torch.ones(real * len(FIELDS), dtype=torch.int64),
    )
    padded = outcome(features, labels, weights, normalization)
    plain = outcome(short, labels[:real], torch.ones(real), normalization)
    assert padded[0] == pytest.approx(plain[0], rel=1e-6)
    for ours, theirs in zip(padded[1], plain[1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
