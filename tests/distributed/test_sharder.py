"""What embeddings and gradients are on their way between ranks."""

import pytest
import torch
from small_trainings import SpecMaker

from pipeline.distributed.sharder import make_sharder


@pytest.mark.parametrize(("device", "off"), [("cpu", 0.0), ("cuda", 2**-8)])
def test_gradients_of_a_mean_loss_over_rare_positives_arrive_under_fp16(
    make_spec: SpecMaker, device: str, off: float
) -> None:
    """8,192 rows, 1 % positive: a negative's are about 0.01 / 8,192 times a small weight."""
    spec = make_spec(sharding={"communication": "fp16"})
    registry = make_sharder(spec, torch.device(device)).qcomm_codecs_registry
    sent = 0.01 / 8_192 * torch.logspace(-3, 0, 20)
    assert registry is not None
    for codecs in registry.values():
        arrived = codecs.backward.decode(codecs.backward.encode(sent))
        assert arrived == pytest.approx(sent, rel=off, abs=0)


def test_embeddings_travel_in_fp16(make_spec: SpecMaker) -> None:
    spec = make_spec(sharding={"communication": "fp16"})
    registry = make_sharder(spec, torch.device("cpu")).qcomm_codecs_registry
    assert registry is not None
    for codecs in registry.values():
        assert codecs.forward.encode(torch.ones(4)).dtype == torch.float16
