"""What only a CUDA device has: fused Adam, NCCL, bf16, streams."""

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.training.journal import read_journal
from pipeline.training.run_directory import RunDirectory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rowwise_adagrad", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_on_cuda_lowers_the_loss(
    make_spec: SpecMaker, optimizer: str, precision: str
) -> None:
    spec = make_spec(
        embedding_optimizer={"name": optimizer, "learning_rate": 0.02},
        train={"device": "cuda", "precision": precision, "epochs": 3},
    )
    train_here(spec)
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    losses = [point["loss"] for point in points if point["kind"] == "train"]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_cuda_learns_what_the_cpu_learns(make_spec: SpecMaker) -> None:
    curves = []
    for device in ("cpu", "cuda"):
        spec = make_spec(device, train={"device": device, "epochs": 1})
        train_here(spec)
        points = read_journal(RunDirectory(spec.run_directory).journal_file)
        curves.append([point["loss"] for point in points if point["kind"] == "train"])
    assert curves[1] == pytest.approx(curves[0], abs=1e-3)
